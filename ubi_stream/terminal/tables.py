"""Tables that fit a terminal of 80 columns: what is long is wrapped, never cut off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

SEVERITY_STYLE = {"info": "dim", "low": "cyan", "medium": "yellow", "high": "bold red"}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, wide: int = -1) -> Table:
    """A table without lines.

    Parameters
    ----------
    heads
        Titles of the columns; one that begins with `#` is of numbers.
    rows
        Cells in the order of the columns; None is shown as a dash.
    wide
        The column that takes what room is left, and wraps.
    """
    made = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    wide %= len(heads)
    for place, head in enumerate(heads):
        numbers = head.startswith("#")
        made.add_column(
            head.removeprefix("#"),
            justify="right" if numbers else "left",
            overflow="fold",
            no_wrap=place != wide and numbers,
        )
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def clock(at: Any) -> str:
    """A time as people read it in a table, in UTC: `11-21 10:00:05`."""
    text = at if isinstance(at, str) else at.isoformat()
    return text[5:19].replace("T", " ")


def _cell(value: object) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("-", style="dim")
    return Text(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
