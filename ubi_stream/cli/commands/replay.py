"""`ubi replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from ubi_stream.cli.configured import load_settings, pack_for
from ubi_stream.cli.console import run_async, say
from ubi_stream.cli.lines import open_lines
from ubi_stream.cli.options import MappingName, OutFile, PackName, SpeedText
from ubi_stream.cli.progress import progress_bar
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.pacing import parse_speed
from ubi_stream.settings import Settings


def replay(
    file: Annotated[
        Path, typer.Argument(help="CSV, JSON Lines or Parquet, plain or with .gz or .zst behind.", show_default=False)
    ],
    mapping: MappingName = None,
    speed: SpeedText = "max",
    offline: Annotated[
        bool, typer.Option("--offline", help="Run the pipeline here, without Kafka, and write the insights.")
    ] = False,
    out: OutFile = None,
    pack: PackName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON (to standard error).")] = False,
) -> None:
    """Send a file to the events topic, or run it through the pipeline here with --offline.

    The same file, settings and seed give the same insights either way. A mapping says which column is what:
    `docs/mappings.md` shows how to write one. Default: `own`, events in our own form. --out and --pack go with
    --offline only: a worker has its own pack.

    Examples:

    - `ubi replay events.csv.gz --mapping rees46`

    - `ubi replay events.csv.gz --mapping rees46 --speed 60`

    - `ubi replay visits.csv --mapping visits.toml --offline > insights.jsonl`
    """
    if not offline and (out is not None or pack is not None):
        raise typer.BadParameter("--out and --pack need --offline")
    settings = load_settings(pack=pack)
    name = mapping or "own"
    if offline:
        _offline(file, name, settings, out, as_json=as_json)
    else:
        run_async(_online(file, name, settings, speed, as_json=as_json))


def _offline(file: Path, mapping: str, settings: Settings, out: Path | None, *, as_json: bool) -> None:
    from ubi_stream.cli.offline import run_offline  # noqa: PLC0415 - loads the models
    from ubi_stream.replay.source import ReplaySource  # noqa: PLC0415 - loads polars

    with ReplaySource(file, mapping) as source, progress_bar(source.total_bytes) as bar, open_lines(out) as lines:
        settings = pack_for(settings, source.mapping.pack)
        summary = run_offline(
            source,
            lines,
            pack=load_pack(settings.pack),
            settings=settings,
            clock=SystemClock(),
            on_progress=lambda events: bar.move(source.bytes_read, f"{events:,} events"),
        )
    if as_json:
        typer.echo(msgspec.json.encode(summary), err=True)
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.insights_by_kind.items())
    say(
        f"{summary.events:,} events of {summary.users:,} users in {summary.seconds:.1f} s "
        f"({summary.events_per_second:,.0f}/s): {summary.accepted:,} accepted, {summary.dead_letters:,} dead letters, "
        f"{summary.duplicates:,} duplicates, {summary.late:,} late; {summary.insights:,} insights"
        + (f" ({kinds})" if kinds else "")
    )


async def _online(file: Path, mapping: str, settings: Settings, speed: str, *, as_json: bool) -> None:
    from ubi_stream.cli.sending import require_events_topic, send_all  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.replay.source import ReplaySource  # noqa: PLC0415 - loads polars

    clock, pace = SystemClock(), parse_speed(speed)
    with ReplaySource(file, mapping) as source:
        await require_events_topic(settings, clock, on_retry=say)
        started_s = clock.monotonic_s()
        with progress_bar(source.total_bytes) as bar:
            report = await send_all(
                source,
                settings,
                clock,
                speed=pace,
                on_progress=lambda sent: bar.move(source.bytes_read, f"{sent.acknowledged:,} events sent"),
            )
    seconds = clock.monotonic_s() - started_s
    if as_json:
        typer.echo(msgspec.json.encode(report), err=True)
    else:
        say(f"{report.acknowledged:,} events sent to {escape(settings.events_topic)} in {seconds:.1f} s")
    if report.refused:
        raise ConfigError(f"{report.refused:,} rows were too large for Kafka, or empty, and were not sent")
