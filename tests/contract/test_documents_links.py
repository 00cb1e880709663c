"""Links and commands in all documents: what is linked is there, what is typed is taken."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ubi_stream.cli.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")])
CODE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
GROUPS = {group.name for group in app.registered_groups}
SHOWN = [
    (document.name, line.partition(" # ")[0].strip())
    for document in DOCUMENTS
    for language, block in CODE.findall(document.read_text(encoding="utf-8"))
    if language == "sh"
    for line in block.replace("\\\n", " ").splitlines()
    if re.match(r"\s*([A-Z_]+=\S+ )*ubi ", line)
]


def anchors(document: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    text = CODE.sub("", document.read_text(encoding="utf-8"))
    headings = (re.sub(r"[`*]", "", heading).strip().lower() for heading in re.findall(r"^#+ (.*)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_links_to_is_there(document: Path) -> None:
    for link in LINK.findall(CODE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_readme() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= {link.partition("#")[0] for link in linked}


@pytest.mark.parametrize(("document", "line"), SHOWN)
def test_a_command_takes_the_options_that_are_shown(document: str, line: str) -> None:
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
    words = words[: next((at for at, word in enumerate(words) if word in {"|", ">", "&&"}), None)]
    command = words[1:3] if words[1] in GROUPS else words[1:2]
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, "--help"])
    assert shown.exit_code == 0, f"{document}: {line}"
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert re.search(rf"{option}\s", shown.stdout), f"{document}: {line}"
