"""docs/commands.md speaks of commands and options that there are, and of all of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ubi_stream.cli.main import app

DOCS = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")
EXAMPLES = [
    line.partition(" #")[0]
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL)
    for line in block.splitlines()
    if line
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_uses_options_that_exist(ubi: Callable[..., Result], example: str) -> None:
    words = [word for word in shlex.split(example) if not re.match(r"[A-Z_]+=", word)]
    assert words[0] == "ubi"
    command = words[1:3] if words[1] == "pack" else words[1:2]
    shown = ubi(*command, "--help", COLUMNS="200")
    assert shown.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert f"{option} " in shown.stdout


def test_every_command_has_its_section() -> None:
    names = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
    assert EXAMPLES
    for name in names:
        assert re.search(rf"^## .*`ubi {name}`", DOCS, re.MULTILINE)
