"""`ubi insights`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.text import Text

from ubi_stream.cli.options import Dsn, Limit
from ubi_stream.errors import ConfigError
from ubi_stream.insights.model import InsightKind, Severity
from ubi_stream.terminal.console import run_async, say, stdout
from ubi_stream.terminal.signals import EndedBySignal, until_signalled

if TYPE_CHECKING:
    from ubi_stream.sinks.queries import InsightFilter


def insights(
    kind: Annotated[str | None, typer.Option("--kind", help=f"{', '.join(InsightKind)}.", show_default=False)] = None,
    severity: Annotated[
        str | None, typer.Option("--severity", help=f"{', '.join(Severity)}.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="About this user alone.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print those that come from now on.")] = False,
    limit: Limit = 20,
    dsn: Dsn = None,
    broker: Annotated[
        str | None, typer.Option("--broker", help="Kafka, for --follow. Default: UBI_BROKER.", metavar="HOST:PORT")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --follow, one object a line.")] = False,
) -> None:
    """List what was noticed, newest first; with --follow as it comes.

    Reads Postgres; with --follow the insights topic.

    Examples:

    - `ubi insights --severity high`

    - `ubi insights --user u-1 --json`

    - `ubi insights --follow`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.reading import follow_insights, insight_heads, insight_row  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg
    from ubi_stream.sinks.queries import InsightFilter, newest_insights  # noqa: PLC0415 - as above
    from ubi_stream.terminal.tables import print_json, table  # noqa: PLC0415 - loads rich's tables

    _check(kind, InsightKind, "--kind")
    _check(severity, Severity, "--severity")
    wanted = InsightFilter(kind=kind, severity=severity, user_id=user)
    settings = server_settings(broker=broker, dsn=dsn)
    if follow:
        say(f"Following {settings.insights_topic}; Ctrl-C ends it")
        try:
            run_async(until_signalled(follow_insights(settings, lambda data: _print_if(data, wanted, as_json=as_json))))
        except EndedBySignal as ended:
            raise typer.Exit(0) from ended
        return
    page = run_async(ask_database(settings, lambda database: newest_insights(database, wanted, limit=limit)))
    if as_json:
        print_json(page.insights)
    elif page.insights:
        stdout().print(table(insight_heads(), map(insight_row, page.insights)))
    else:
        say("None yet like these." if wanted != InsightFilter() else "None yet: insights appear as events come in.")


def _print_if(data: dict[str, Any], wanted: InsightFilter, *, as_json: bool) -> None:
    """Print an insight of the topic if it is one of those that were asked for."""
    from ubi_stream.operations.reading import json_line  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.terminal.tables import SEVERITY_STYLE, clock  # noqa: PLC0415 - loads rich's tables

    for name in ("kind", "severity", "user_id"):
        if getattr(wanted, name) not in (None, data[name]):
            return
    if as_json:
        print(json_line(data), flush=True)
        return
    style = SEVERITY_STYLE.get(data["severity"], "")
    head = Text.assemble(
        (clock(data["at"]), "dim"), "  ", (f"{data['severity']:6}", style), f"  {data['kind']}  {data['user_id']}"
    )
    stdout().print(head)
    stdout().print(f"  {escape(data['explanation']['summary'])}")


def _check(value: str | None, allowed: type[InsightKind | Severity], option: str) -> None:
    words = [str(one) for one in allowed]
    if value is not None and value not in words:
        raise ConfigError(f"{option} {value}: expected one of {', '.join(words)}")
