"""`ubi retention run`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ubi_stream.cli.options import AsJson, Dsn, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say, stdout

if TYPE_CHECKING:
    from ubi_stream.packs.retention import Retention
    from ubi_stream.settings import Settings
    from ubi_stream.sinks.retention import Removed

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Delete rows that are older than the pack says."
)


@app.callback()
def _group() -> None:
    """Delete rows that are older than the pack says."""


@app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; count what would go.")] = False,
    pack: PackName = None,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Delete rows that are older than the pack's `[retention]` says. A worker does it once a day by itself.

    Examples:

    - `ubi retention run --dry-run`

    - `ubi retention run --pack shop.toml --json`
    """
    from ubi_stream.terminal.tables import print_json, table  # noqa: PLC0415 - loads rich's tables

    settings = load_settings(pack=pack, postgres_dsn=dsn)
    removed = run_async(_run(settings, load_pack(settings.pack).retention, dry_run=dry_run))
    if removed is None:
        say("another process is at it")
        raise typer.Exit(1)
    if as_json:
        print_json(removed)
    elif not removed:
        say("the pack keeps everything: its [retention] has no days")
    else:
        rows = ((one.table, f"{one.days:g}", f"{one.before:%Y-%m-%d %H:%M}", f"{one.rows:,}") for one in removed)
        stdout().print(table(("table", "#days", "before (UTC)", "#to delete" if dry_run else "#deleted"), rows))


async def _run(settings: Settings, retention: Retention, *, dry_run: bool) -> list[Removed] | None:
    from ubi_stream.sinks.database import create_pool  # noqa: PLC0415 - loads asyncpg
    from ubi_stream.sinks.retention import run_retention  # noqa: PLC0415 - as above

    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    dsn = settings.postgres_dsn.get_secret_value()
    async with await create_pool(dsn, size=1, application="ubi") as pool:
        return await run_retention(pool, retention, now, dry_run=dry_run)
