"""docs/commands.md has a section for each command. Options in all documents: contract/test_documents_links.py."""

from __future__ import annotations

import re
from pathlib import Path

from ubi_stream.cli.main import app

DOCS = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_command_has_its_section() -> None:
    names = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
    assert len(names) > 10
    for name in names:
        assert re.search(rf"^## .*`ubi {name}`", DOCS, re.MULTILINE)
