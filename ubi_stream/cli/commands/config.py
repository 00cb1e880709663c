"""`ubi config`."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ubi_stream.terminal.configured import Setting, list_settings, load_settings, unknown_variables
from ubi_stream.terminal.console import say, stdout


def config(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object for each setting.")] = False,
) -> None:
    """Show every setting: variable, value in force, where it came from. Secrets are hidden.

    Examples:

    - `ubi config`

    - `UBI_BROKER=kafka:9092 ubi config --json`
    """
    settings = list_settings(load_settings())
    for name, meant in unknown_variables(os.environ).items():
        say(f"[yellow]warning:[/] {name} is no setting" + (f"; {meant} is" if meant else ""))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(settings), indent=2).decode())
    else:
        stdout().print(_table(settings))


def _table(settings: list[Setting]) -> Table:
    table = Table("variable", "value", "from", "meaning", box=None, pad_edge=False, header_style="bold")
    for setting in settings:
        style = "dim" if setting.origin == "default" else "bold"
        value = escape(setting.value) or "(not set)"
        table.add_row(setting.variable, value, setting.origin, escape(setting.description), style=style)
    return table
