"""`ubi dead-letters`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.options import AsJson, Dsn, Limit
from ubi_stream.errors import ConfigError
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.terminal.console import run_async, say, stdout


def dead_letters(
    reason: Annotated[str | None, typer.Option("--reason", help="Of this reason alone.", show_default=False)] = None,
    limit: Limit = 20,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Count the records that could not be processed, by reason, and list the newest: what is wrong, and where.

    Reads Postgres. The records themselves are whole on the dead-letter topic: docs/dead-letters.md.

    Examples:

    - `ubi dead-letters`

    - `ubi dead-letters --reason unknown_event_type --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg
    from ubi_stream.sinks.dead_letter_queries import dead_letters_by_reason, newest_dead_letters  # noqa: PLC0415
    from ubi_stream.terminal.tables import clock, print_json, table  # noqa: PLC0415 - loads rich's tables

    reasons = [str(one) for one in DeadLetterReason]
    if reason is not None and reason not in reasons:
        raise ConfigError(f"--reason {reason}: expected one of {', '.join(reasons)}")
    settings = server_settings(dsn=dsn)
    counts = run_async(ask_database(settings, dead_letters_by_reason))
    letters = run_async(
        ask_database(settings, lambda database: newest_dead_letters(database, reason=reason, limit=limit))
    )
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
