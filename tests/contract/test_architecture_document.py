"""The page about the architecture shows the house as it is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def test_every_room_is_on_the_page() -> None:
    rooms = [folder.name for folder in (ROOT / "ubi_stream").iterdir() if (folder / "__init__.py").exists()]
    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", PAGE)] == []


def test_the_glossary_is_in_the_order_of_its_terms() -> None:
    terms = re.findall(r"^\| ([^|]+) \| ", GLOSSARY, re.MULTILINE)[1:]
    assert terms == sorted(terms)
