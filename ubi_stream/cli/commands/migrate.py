"""`ubi migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.options import Dsn
from ubi_stream.clock import SystemClock
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with status 1 if something is pending.")
    ] = False,
    dsn: Dsn = None,
) -> None:
    """Create the database if it is missing, and bring its tables up to date.

    Any number of workers may run at the same time. Waits for Postgres up to UBI_STARTUP_TIMEOUT_S.

    Examples:

    - `UBI_POSTGRES_DSN=postgresql://user:password@host:5432/ubi ubi migrate`

    - `ubi migrate --check`
    """
    names = run_async(_migrate(load_settings(postgres_dsn=dsn), check=check))
    if check and names:
        say(f"pending: {', '.join(names)}; run `ubi migrate`")
        raise typer.Exit(1)
    say(f"applied: {', '.join(names)}" if names else "the database is up to date")


async def _migrate(settings: Settings, *, check: bool) -> list[str]:
    from ubi_stream.sinks import database, migrations  # noqa: PLC0415 - loads asyncpg

    dsn = settings.postgres_dsn.get_secret_value()
    await database.wait_for_database(
        dsn,
        within_s=settings.startup_timeout_s,
        clock=SystemClock(),
        on_retry=lambda attempt, code: say(f"Postgres does not answer yet ({code}), attempt {attempt}"),
    )
    return await (migrations.pending(dsn) if check else migrations.migrate(dsn))
