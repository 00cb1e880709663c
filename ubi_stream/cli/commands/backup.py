"""`ubi backup` and `ubi restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ubi_stream.cli.configured import load_settings
from ubi_stream.cli.console import run_async, say
from ubi_stream.cli.options import PackName
from ubi_stream.cli.progress import progress_bar
from ubi_stream.clock import SystemClock
from ubi_stream.packs.loader import load_pack

_BackupFile = Annotated[Path, typer.Argument(help="The backup's file.", show_default=False)]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def backup(file: _BackupFile, pack: PackName = None, as_json: _AsJson = False) -> None:
    """Copy all state, models and offsets into one file, each partition as of one moment. Workers may run meanwhile.

    The file is complete or not there. It holds what users did: keep it as safe as Kafka itself. Models can only be
    used again with the same UBI_SNAPSHOT_KEY.

    Examples:

    - `ubi backup state-2026-11-21.ubi`

    - `ubi backup /backups/state.ubi --json`
    """
    from ubi_stream.operations.backup import back_up  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack)
    with progress_bar(None) as bar:
        summary = run_async(
            back_up(
                settings,
                load_pack(settings.pack),
                file,
                SystemClock(),
                on_progress=lambda done, of: bar.move(None, f"partition {done + 1} of {of}"),
                on_retry=say,
            )
        )
    if as_json:
        typer.echo(msgspec.json.encode(summary))
        return
    say(
        f"{summary.states:,} states of {summary.lanes} partitions in {summary.file} "
        f"({summary.bytes / 1e6:,.1f} MB, {summary.seconds:.1f} s); {summary.unprocessed:,} events wait on the topics"
    )
    if summary.quarantined:
        say(f"{summary.quarantined:,} unreadable records of the changelogs are left out")


def restore(
    file: _BackupFile,
    pack: PackName = None,
    new_topics: Annotated[
        bool,
        typer.Option("--new-topics", help="The topics are not those of the backup: go on without its offsets."),
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Bring back what `ubi backup` wrote: create topics, fill the changelogs, set the group's offsets.

    No worker may run, and the changelogs must be empty. Everything is checked before anything is written. Workers then
    go on from the moment of the backup, and read again what came to the events topic since.

    Examples:

    - `ubi restore state-2026-11-21.ubi`

    - `UBI_APP_ID=ubi-2 ubi restore state-2026-11-21.ubi`
    """
    from ubi_stream.operations.restore import restore_backup  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack)
    with progress_bar(None) as bar:
        summary = run_async(
            restore_backup(
                settings,
                load_pack(settings.pack),
                file,
                SystemClock(),
                new_topics=new_topics,
                on_progress=lambda done, _of: bar.move(None, f"{done:,} parts written"),
                on_retry=say,
            )
        )
    if as_json:
        typer.echo(msgspec.json.encode(summary))
        return
    say(
        f"{summary.rows:,} rows of {summary.lanes} partitions as of {summary.created} restored in "
        f"{summary.seconds:.1f} s; workers read {summary.to_process:,} events next"
    )
    if summary.expired:
        say(f"[bold yellow]{summary.expired:,} events[/] since the backup are gone from the topics: no state has them")
    if summary.not_in_states:
        say(f"{summary.not_in_states:,} events on the topics of before may be missing in some states")
