"""`ubi dead-letters`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from ubi_stream.cli.options import AsJson, Broker, Dsn, Limit
from ubi_stream.errors import ConfigError
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.terminal.console import run_async, say, stdout

if TYPE_CHECKING:
    from ubi_stream.collector.repair import Repaired
    from ubi_stream.settings import Settings
    from ubi_stream.sinks.dead_letter_queries import DeadLetterFilter


def dead_letters(
    ids: Annotated[list[str] | None, typer.Argument(help="These alone.", metavar="[ID]...", show_default=False)] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Of this reason alone.", show_default=False)] = None,
    path: Annotated[
        str | None,
        typer.Option("--path", help="With this wrong field, such as $.event_type.", metavar="PATH", show_default=False),
    ] = None,
    patch: Annotated[
        str | None,
        typer.Option(
            "--patch",
            help="Repair them: a JSON patch, or a file with one; [] sends them as they are. Shows what comes of it.",
            metavar="JSON|FILE",
            show_default=False,
        ),
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="With --patch: send them again, with the same ids.")] = False,
    limit: Limit = 20,
    broker: Broker = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Count the records that could not be processed, by reason, list the newest, and repair them.

    The list is read from Postgres; the records themselves are whole on the dead-letter topic: docs/dead-letters.md.
    What was sent again once is left alone.

    Examples:

    - `ubi dead-letters`

    - `ubi dead-letters --reason unknown_event_type --json`

    - `ubi dead-letters --path '$.event_type' --patch '[{"op": "replace", "path": "/event_type", "value": "view"}]'`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.sinks.dead_letter_queries import DeadLetterFilter  # noqa: PLC0415

    reasons = [str(one) for one in DeadLetterReason]
    if reason is not None and reason not in reasons:
        raise ConfigError(f"--reason {reason}: expected one of {', '.join(reasons)}")
    if send and patch is None:
        raise ConfigError("--send needs --patch: [] sends them as they are")
    settings = server_settings(broker=broker, dsn=dsn)
    wanted = DeadLetterFilter(ids=tuple(ids or ()), reason=reason, path=path)
    if patch is None:
        _list(settings, wanted, limit, as_json=as_json)
    else:
        _repair(settings, wanted, patch, limit, send=send, as_json=as_json)


def _list(settings: Settings, wanted: DeadLetterFilter, limit: int, *, as_json: bool) -> None:
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg
    from ubi_stream.sinks.dead_letter_queries import dead_letters_by_reason, find_dead_letters  # noqa: PLC0415
    from ubi_stream.terminal.tables import clock, print_json, table  # noqa: PLC0415 - loads rich's tables

    counts = run_async(ask_database(settings, dead_letters_by_reason))
    letters = run_async(ask_database(settings, lambda database: find_dead_letters(database, wanted, limit=limit)))
    if as_json:
        print_json({"by_reason": counts, "newest": letters})
        return
    if not counts:
        say("No dead letters.")
        return
    out = stdout()
    out.print(table(("reason", "#records"), counts.items(), wide=0))
    out.print()
    rows = (
        (clock(one.at) if one.at else None, f"{one.source_partition}/{one.source_offset}", one.path, one.message)
        for one in letters
    )
    out.print(table(("came (UTC)", "place", "field", "what is wrong"), rows))


def _repair(settings: Settings, wanted: DeadLetterFilter, patch: str, limit: int, *, send: bool, as_json: bool) -> None:
    from ubi_stream.cli.repairing import read_patch, run_repairs  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.terminal.tables import print_json, table  # noqa: PLC0415 - loads rich's tables

    results = run_async(run_repairs(settings, wanted, read_patch(patch), limit=limit, send=send))
    counts = Counter(one.status for one in results)
    if as_json:
        print_json({"counts": counts, "dead_letters": results})
        return
    if not results:
        say("No dead letters fit.")
        return
    stdout().print(table(("dead letter", "status", "what comes of it"), [_row(one) for one in results], wide=2))
    if counts["ready"]:
        say(f"{counts['ready']} would be sent: the same with --send sends them.")
    if counts["sent"]:
        say(f"{counts['sent']} sent again.")


def _row(one: Repaired) -> tuple[str, str, str]:
    if one.event is not None:
        return one.id, one.status, f"{one.event['event_type']} of {one.event['user_id']} ({one.event['event_id']})"
    place = f"{one.reason} at {one.path}: " if one.reason else ""
    return one.id, one.status, f"{place}{one.message or ''}"
