"""`ubi backup` and `ubi restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ubi_stream.cli.options import Broker, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.operations.progress_lines import AsJson, operate, partition_step
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import say

_BackupFile = Annotated[Path, typer.Argument(help="The backup's file.", show_default=False)]


def backup(file: _BackupFile, pack: PackName = None, broker: Broker = None, as_json: AsJson = False) -> None:
    """Copy all state, models and offsets into one file, each partition as of one moment. Workers may run meanwhile.

    The file is complete or not there. It holds what users did: keep it as safe as Kafka itself. Models can only be
    used again with the same UBI_SNAPSHOT_KEY.

    Examples:

    - `ubi backup state-2026-11-21.ubi`

    - `ubi backup /backups/state.ubi --json`
    """
    from ubi_stream.operations.backup import back_up  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack, broker=broker)
    pack_of_state, clock = load_pack(settings.pack), SystemClock()
    summary = operate(
        lambda on_progress: back_up(settings, pack_of_state, file, clock, on_progress=on_progress, on_retry=say),
        step=partition_step,
        as_json=as_json,
    )
    say(
        f"{summary.states:,} states of {summary.tasks} partitions in {summary.file} "
        f"({summary.bytes / 1e6:,.1f} MB, {summary.seconds:.1f} s); {summary.unprocessed:,} events wait on the topics"
    )
    if summary.quarantined:
        say(f"{summary.quarantined:,} unreadable records of the changelogs are left out")


def restore(
    file: _BackupFile,
    pack: PackName = None,
    broker: Broker = None,
    new_topics: Annotated[
        bool,
        typer.Option("--new-topics", help="The topics are not those of the backup: go on without its offsets."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring back what `ubi backup` wrote: create topics, fill the changelogs, set the group's offsets.

    No worker may run, and the changelogs must be empty. Everything is checked before anything is written. Workers then
    go on from the moment of the backup, and read again what came to the events topic since.

    Examples:

    - `ubi restore state-2026-11-21.ubi`

    - `UBI_APP_ID=ubi-2 ubi restore state-2026-11-21.ubi`
    """
    from ubi_stream.operations.restore import restore_backup  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack, broker=broker)
    pack_of_state, clock = load_pack(settings.pack), SystemClock()
    summary = operate(
        lambda on_progress: restore_backup(
            settings, pack_of_state, file, clock, new_topics=new_topics, on_progress=on_progress, on_retry=say
        ),
        step=lambda done, _of: f"{done:,} parts written",
        as_json=as_json,
    )
    say(
        f"{summary.rows:,} rows of {summary.tasks} partitions as of {summary.created} restored in "
        f"{summary.seconds:.1f} s; workers read {summary.to_process:,} events next"
    )
    if summary.expired:
        say(f"[bold yellow]{summary.expired:,} events[/] since the backup are gone from the topics: no state has them")
    if summary.not_in_states:
        say(f"{summary.not_in_states:,} events on the topics of before may be missing in some states")
