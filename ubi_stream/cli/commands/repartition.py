"""`ubi repartition`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from ubi_stream.cli.configured import load_settings
from ubi_stream.cli.console import run_async, say
from ubi_stream.cli.options import PackName
from ubi_stream.cli.progress import progress_bar
from ubi_stream.clock import SystemClock
from ubi_stream.packs.loader import load_pack


def repartition(
    partitions: Annotated[
        int, typer.Option("--partitions", min=2, max=1024, help="How many there shall be.", show_default=False)
    ],
    pack: PackName = None,
    with_backlog: Annotated[
        bool, typer.Option("--with-backlog", help="Go on although events of the old partitions are not processed yet.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Give the topics more partitions, and move each user's state to the partition that the user now belongs to.

    All workers must be stopped, and everything processed. It can be interrupted and started again; workers refuse to
    start in between. Afterwards set UBI_PARTITIONS for all workers.

    Examples:

    - `ubi repartition --partitions 12`
    """
    from ubi_stream.operations.repartition import repartition as run  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack)
    with progress_bar(None) as bar:
        summary = run_async(
            run(
                settings,
                load_pack(settings.pack),
                partitions,
                SystemClock(),
                with_backlog=with_backlog,
                on_progress=lambda done, of: bar.move(None, f"partition {done + 1} of {of}"),
                on_retry=say,
            )
        )
    if as_json:
        typer.echo(msgspec.json.encode(summary))
        return
    say(
        f"{summary.moved:,} of {summary.states:,} states moved, from {summary.before} to {summary.partitions} "
        f"partitions ({summary.seconds:.1f} s). Start the workers with UBI_PARTITIONS={summary.partitions}"
    )
    say(
        f"The partitions differed by {summary.skew_ms / 1000:,.0f} s in event time: what fell silent within is not told"
    )
    if summary.backlog:
        say(f"{summary.backlog:,} events wait in the old partitions")
