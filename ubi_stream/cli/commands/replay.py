"""`ubi replay`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from ubi_stream.cli.options import (
    Broker,
    DeadLettersAllowed,
    FileRun,
    MappingName,
    OutFile,
    PackName,
    SortRows,
    SpeedText,
    mapping_for,
    parse_share,
)
from ubi_stream.clock import SystemClock
from ubi_stream.operations.background import server_settings
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import pack_for
from ubi_stream.terminal.console import run_async, say
from ubi_stream.terminal.lines import open_lines
from ubi_stream.terminal.progress import progress_bar

_SHADOW = "Shadow: what would another pack have said?"
_Time = typer.Option("--from", help="Compare from here on: ISO 8601, UTC.", rich_help_panel=_SHADOW, metavar="TIME")


def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV, JSON Lines or Parquet, plain or with .gz or .zst behind.", show_default=False),
    ] = None,
    mapping: MappingName = None,
    speed: SpeedText = "max",
    offline: Annotated[
        bool, typer.Option("--offline", help="Run the pipeline here, without Kafka, and write the insights.")
    ] = False,
    out: OutFile = None,
    pack: PackName = None,
    broker: Broker = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON (to standard error).")] = False,
    sort: SortRows = False,
    allow_dead_letters: DeadLettersAllowed = "50%",
    dead_letters: Annotated[
        Path | None,
        typer.Option("--dead-letters", help="With --offline: write dead letters to this file.", show_default=False),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option("--features", help="With --offline: write features to this file.", show_default=False),
    ] = None,
    quality: Annotated[
        Path | None,
        typer.Option("--quality", help="With --offline: write model quality to this file.", show_default=False),
    ] = None,
    shadow: Annotated[
        bool,
        typer.Option(
            "--shadow",
            help="Run the pipeline here, and compare with the insights that are live.",
            rich_help_panel=_SHADOW,
        ),
    ] = False,
    since: Annotated[str | None, _Time] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Compare up to here.", rich_help_panel=_SHADOW, metavar="TIME")
    ] = None,
    live: Annotated[
        Literal["postgres", "topic"] | None,
        typer.Option("--live", help="Where the live insights are read. Default: postgres.", rich_help_panel=_SHADOW),
    ] = None,
) -> None:
    """Send a file to the events topic, or run it through the pipeline here with --offline or --shadow.

    The same file, settings and seed give the same insights either way. A mapping says which column is what:
    `docs/mappings.md` shows how to write one. Default: `own`, events in our own form, one JSON object a line; a CSV
    file needs one. --out and --pack go with --offline and --shadow only: a worker has its own pack.

    --shadow (or --from and --to without a file) reads the events topic itself, or a file, writes nothing anywhere, and
    says which insights would be missing, additional or changed: what a changed pack would bring.

    Examples:

    - `ubi replay events.csv.gz --mapping rees46`

    - `ubi replay events.csv.gz --mapping rees46 --speed 60`

    - `ubi replay visits.csv --mapping visits.toml --offline --dead-letters refused.jsonl > insights.jsonl`

    - `ubi replay events.csv.gz --mapping rees46 --offline --features features.jsonl --quality quality.json -o -`

    - `ubi replay --shadow --from 2026-11-20T00:00 --to 2026-11-21T00:00 --pack changed.toml`
    """
    shadow = shadow or (file is None and (since or until) is not None)
    _check_options(file, offline=offline, shadow=shadow, local=out or pack, compared=since or until or live)
    for option, path in (("--dead-letters", dead_letters), ("--features", features), ("--quality", quality)):
        if path is not None and not offline:
            raise typer.BadParameter(f"{option} needs --offline: a worker has a topic or a view for it")
    allowed = parse_share(allow_dead_letters)
    settings = server_settings(pack=pack, broker=broker)
    name = mapping_for(file, mapping)
    if shadow:
        _shadow(file, name, settings, (since, until), live or "postgres", out, as_json=as_json)
    elif file is not None:
        _replay(
            FileRun(file, name, allowed, sort=sort, as_json=as_json),
            settings,
            speed,
            (out, dead_letters, features, quality),
            offline=offline,
        )


def _replay(run: FileRun, settings: Settings, speed: str, paths: tuple[Path | None, ...], *, offline: bool) -> None:
    from ubi_stream.cli.file_run import OutputPaths, replay_offline, replay_online  # noqa: PLC0415 - loads the models

    if offline:
        replay_offline(run, settings, OutputPaths(*paths))
    else:
        run_async(replay_online(run, settings, speed))


def _check_options(
    file: Path | None, *, offline: bool, shadow: bool, local: Path | str | None, compared: str | None
) -> None:
    if offline and shadow:
        raise typer.BadParameter("--offline and --shadow are two things")
    if local is not None and not (offline or shadow):
        raise typer.BadParameter("--out and --pack need --offline or --shadow")
    if compared is not None and not shadow:
        raise typer.BadParameter("--from, --to and --live need --shadow")
    if file is None and not shadow:
        raise typer.BadParameter("a file is missing; only --shadow reads the events topic")


def _shadow(
    file: Path | None,
    mapping: str,
    settings: Settings,
    window: tuple[str | None, str | None],
    live: Literal["postgres", "topic"],
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    from ubi_stream.mappings.model import load_mapping  # noqa: PLC0415 - as above
    from ubi_stream.replay.compare import ShadowOptions, describe, parse_time, run_shadow  # noqa: PLC0415 - loads the models

    try:
        from_ms, to_ms = (None if text is None else parse_time(text) for text in window)
    except ValueError as error:
        raise typer.BadParameter(f"--from and --to are times such as 2026-11-21T10:00: {error}") from error
    if file is not None:
        settings = pack_for(settings, load_mapping(mapping).pack)
    options = ShadowOptions(live=live, from_ms=from_ms, to_ms=to_ms, file=file, mapping=mapping)
    pack = load_pack(settings.pack, nobody=settings.nobody)
    with ExitStack() as stack:
        lines = None if out is None else stack.enter_context(open_lines(out))
        bar = stack.enter_context(progress_bar(None))
        work = run_shadow(
            options, settings, pack, lines, SystemClock(), lambda events: bar.move(None, f"{events:,} events")
        )
        report = run_async(work)
    if as_json:
        typer.echo(msgspec.json.encode(report), err=True)
    else:
        say(describe(report))
