"""The account of a finished run: where every event went, and whether every insight is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec
from rich.table import Table

from ubi_stream.data.sender import SendReport
from ubi_stream.operations.demo.figures import Figures
from ubi_stream.operations.demo.topics import Results
from ubi_stream.replay.sending import not_sent
from ubi_stream.terminal.console import say, stdout

_IDS_OF_A_QUERY: Final = 10_000


class Report(msgspec.Struct, frozen=True):
    """What one run brought about; all counts are of this run, but for `users`.

    Attributes
    ----------
    rows, blank_rows, rows_left_out
        Rows of the file, blank lines besides, and rows that the mapping leaves out.
    events
        Sent and acknowledged by the broker: `accepted` + `dead_letters` + `duplicates` + `dropped`.
    not_sent
        Events that were too large for the broker.
    accepted, duplicates, dropped, late
        As the worker counted them; late ones are among the accepted, dropped ones of types that the pack drops.
    dead_letters, insights
        Distinct ids on the topics.
    users
        Users whose state is kept now.
    postgres_rows
        Insights of this run that are in Postgres.
    seconds
        The whole command, start-up included.
    events_per_second
        From the first event sent to the last one processed.
    """

    rows: int
    blank_rows: int
    rows_left_out: int
    events: int
    not_sent: int
    accepted: int
    dead_letters: int
    duplicates: int
    dropped: int
    late: int
    users: int
    insights: int
    insights_by_kind: dict[str, int]
    postgres_rows: int
    seconds: float
    events_per_second: float


class DemoOutcome(msgspec.Struct, frozen=True):
    """A report, and what is wrong with it: nothing, if all is accounted for."""

    report: Report
    problems: tuple[str, ...]


def make_outcome(
    *,
    rows: tuple[int, int],
    left_out: int,
    sent: SendReport,
    figures: Figures,
    results: Results,
    stored: set[str],
    seconds: float,
    processing_s: float,
) -> DemoOutcome:
    """Add it all up.

    Parameters
    ----------
    rows
        Rows of the file, and blank lines besides.
    left_out
        Rows that don't fit the filters of the mapping.
    sent
        What became of the events on their way to the broker.
    figures
        What the worker counted during this run.
    results
        What is on the topics.
    stored
        Which of the topic's insights are in Postgres.
    seconds, processing_s
        Of the whole command, and of the part that `events_per_second` is about.
    """
    events = sent.acknowledged
    report = Report(
        rows=rows[0],
        blank_rows=rows[1],
        rows_left_out=left_out,
        events=events,
        not_sent=sent.refused,
        accepted=figures.outcomes.get("accepted", 0),
        dead_letters=len(results.dead_letters),
        duplicates=figures.outcomes.get("duplicate", 0),
        dropped=figures.outcomes.get("unwanted", 0),
        late=figures.late,
        users=figures.users,
        insights=len(results.insights),
        insights_by_kind=dict(sorted(Counter(results.insights.values()).items())),
        postgres_rows=len(stored & results.insights.keys()),
        seconds=round(seconds, 3),
        events_per_second=round(events / processing_s, 1) if processing_s > 0 else 0.0,
    )
    problems = _problems(report, first_row=sent.first_refused_row, missing=len(results.all_insights - stored))
    return DemoOutcome(report, tuple(problems))


def _problems(report: Report, *, first_row: int, missing: int) -> list[str]:
    problems = []
    if report.not_sent:
        problems.append(not_sent(report.not_sent, first_row))
    accounted = report.accepted + report.dead_letters + report.duplicates + report.dropped
    if report.events != accounted:
        problems.append(
            f"{report.events:,} events were sent, but {report.accepted:,} accepted + {report.dead_letters:,} dead "
            f"letters + {report.duplicates:,} duplicates + {report.dropped:,} dropped are {accounted:,}"
        )
    if missing:
        problems.append(f"{missing:,} insights of the topic are not in Postgres")
    return problems


async def stored_insights(dsn: str, ids: Sequence[str]) -> set[str]:
    """Which of these insights are in Postgres."""
    connection = await asyncpg.connect(dsn)
    try:
        found: set[str] = set()
        for start in range(0, len(ids), _IDS_OF_A_QUERY):
            batch = ids[start : start + _IDS_OF_A_QUERY]
            rows = await connection.fetch("SELECT id::text FROM insights WHERE id = ANY($1::uuid[])", batch)
            found.update(row["id"] for row in rows)
        return found
    finally:
        await connection.close()


def show_outcome(outcome: DemoOutcome, *, as_json: bool) -> None:
    """Print the report to standard output, and what is wrong with it to standard error."""
    report = outcome.report
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        table = Table.grid(padding=(0, 2))
        for name in report.__struct_fields__:
            value = getattr(report, name)
            if name == "insights_by_kind":
                text = ", ".join(f"{count:,} {kind}" for kind, count in value.items()) or "none"
            else:
                text = f"{value:,}"
            table.add_row(name.replace("_", " "), text)
        stdout().print(table)
    for problem in outcome.problems:
        say(f"[bold red]not accounted for:[/] {problem}")
