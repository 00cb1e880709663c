"""The table on the terminal, the one in the documents, and the JSON line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields

from rich.console import Console
from rich.table import Table

from benchmarks.faults.compare import Verdict
from benchmarks.faults.engine import Result

_COLUMNS = tuple(field.name for field in fields(Verdict))
_NUMBERS = ("events", *(name.replace("_", " ") for name in _COLUMNS), "goes on after", "took")

BEGIN, END = "<!-- results -->", "<!-- end of results -->"


def show(console: Console, results: Sequence[Result]) -> None:
    """Print the table, and what went wrong."""
    table = Table("fault", "how")
    for head in _NUMBERS:
        table.add_column(head, justify="right")
    for result in results:
        table.add_row(*_cells(result), style=None if result.clean else "red")
    console.print(table)
    for result in results:
        if result.failure:
            console.print(f"{result.scenario.name}: {result.failure}", markup=False, highlight=False)


def as_markdown(results: Sequence[Result]) -> str:
    """The same for `docs/reliability.md`."""
    heads = ["fault", "how", *_NUMBERS]
    lines = [heads, ["---", "---", *["---:"] * len(_NUMBERS)], *map(_cells, results)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_table(page: str, results: Sequence[Result]) -> str:
    """A page whose table, between the two marks, is that of these results."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{as_markdown(results)}\n```json\n{as_json(results)}\n```\n{END}{after}"


def as_json(results: Sequence[Result]) -> str:
    """One line: sums, and the longest time until processing went on."""
    sums = {name: sum(asdict(result.verdict)[name] for result in results) for name in _COLUMNS}
    longest = max((result.recovery_s for result in results), default=0.0)
    return json.dumps(
        {
            "scenarios": len(results),
            "events": sum(result.events for result in results),
            **sums,
            "max_recovery_seconds": round(longest, 2),
        }
    )


def _cells(result: Result) -> list[str]:
    how = result.scenario.how
    if result.memory_mb_per_min is not None:
        how += f"; memory {result.memory_mb_per_min:+.2f} MiB/min"
    return [
        result.scenario.name + (" (not finished)" if result.failure else ""),
        how,
        f"{result.events:,}",
        *(f"{asdict(result.verdict)[name]:,}" for name in _COLUMNS),
        f"{result.recovery_s:.1f} s" if result.recovery_s else "-",
        f"{result.seconds:.0f} s",
    ]
