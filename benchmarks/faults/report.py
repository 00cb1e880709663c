"""The table on the terminal, the one in the documents, and the JSON line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.faults.compare import COLUMNS
from benchmarks.faults.engine import Result

_NUMBERS: Final = ("events", *(name.replace("_", " ") for name in COLUMNS), "goes on after", "memory", "took")
_HEADS: Final = ("fault", "how", *_NUMBERS)
_RECOVERY: Final = _HEADS.index("goes on after")
_EVENTS: Final = _HEADS.index("events")
_NOT_FINISHED: Final = " (not finished)"
_NONE: Final = "-"

BEGIN: Final = "<!-- results -->"
END: Final = "<!-- end of results -->"


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table, and what went wrong."""
    table = Table("fault", "how")
    for head in _NUMBERS:
        table.add_column(head, justify="right")
    for result in results:
        table.add_row(*_cells(result), style=None if result.clean else "red")
    console.print(table)
    for result in results:
        for line in (result.failure, *result.verdict.examples):
            if line:
                console.print(f"{result.scenario.name}: {line}", markup=False, highlight=False)


def with_table(page: str, results: Sequence[Result], order: Sequence[str]) -> str:
    """A page whose table, between the two marks, has the rows of these results; rows of other scenarios stay.

    Parameters
    ----------
    order
        Names of all scenarios: rows are in this order, and none of any other name stays.
    """
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} … {END}")
    rows = {_name(cells): cells for cells in (*_rows(table), *map(_cells, results))}
    kept = [rows[name] for name in order if name in rows]
    line = _as_json(kept)
    return f"{before}{BEGIN}\n{_as_markdown(kept)}\n```json\n{line}\n```\n{END}{after}"


def as_json(results: Sequence[Result]) -> str:
    """One line: sums, and the longest time until processing went on."""
    return _as_json(list(map(_cells, results)))


def _as_json(rows: Sequence[Sequence[str]]) -> str:
    def total(column: int) -> int:
        return sum(int(cells[column].replace(",", "")) for cells in rows)

    recoveries = (float(cells[_RECOVERY].split()[0]) for cells in rows if cells[_RECOVERY] != _NONE)
    return json.dumps(
        {
            "scenarios": len(rows),
            "events": total(_EVENTS),
            **{name: total(column) for column, name in enumerate(COLUMNS, _EVENTS + 1)},
            "max_recovery_seconds": max(recoveries, default=0.0),
        }
    )


def _as_markdown(rows: Iterable[Sequence[str]]) -> str:
    lines = [_HEADS, ("---", "---", *["---:"] * len(_NUMBERS)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(table: str) -> list[list[str]]:
    """Cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _name(cells: Sequence[str]) -> str:
    return cells[0].removesuffix(_NOT_FINISHED)


def _cells(result: Result) -> list[str]:
    return [
        result.scenario.name + (_NOT_FINISHED if result.failure else ""),
        "; ".join([result.scenario.how, *result.notes]),
        f"{result.events:,}",
        *(f"{getattr(result.verdict, name):,}" for name in COLUMNS),
        f"{result.recovery_s:.1f} s" if result.recovery_s else _NONE,
        f"{result.memory_mb:.0f} MiB",
        f"{result.seconds:.0f} s",
    ]
