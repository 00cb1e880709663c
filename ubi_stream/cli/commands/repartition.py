"""`ubi repartition`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.options import Broker, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.operations.progress_lines import AsJson, operate, partition_step
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import say


def repartition(
    partitions: Annotated[
        int, typer.Option("--partitions", min=2, max=1024, help="How many there shall be.", show_default=False)
    ],
    pack: PackName = None,
    broker: Broker = None,
    with_backlog: Annotated[
        bool, typer.Option("--with-backlog", help="Go on although events of the old partitions are not processed yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give the topics more partitions, and move each user's state to the partition that the user now belongs to.

    All workers must be stopped, and everything processed. It can be interrupted and started again; workers refuse to
    start in between. Afterwards set UBI_PARTITIONS for all workers.

    Examples:

    - `ubi repartition --partitions 12`
    """
    from ubi_stream.operations.repartition import repartition as run  # noqa: PLC0415 - loads aiokafka and the models

    settings = load_settings(pack=pack, broker=broker)
    pack_of_state, clock = load_pack(settings.pack), SystemClock()
    summary = operate(
        lambda on_progress: run(
            settings, pack_of_state, partitions, clock, with_backlog=with_backlog, on_progress=on_progress, on_retry=say
        ),
        step=partition_step,
        as_json=as_json,
    )
    say(
        f"{summary.moved:,} of {summary.states:,} states moved, from {summary.before} to {summary.partitions} "
        f"partitions ({summary.seconds:.1f} s). Start the workers with UBI_PARTITIONS={summary.partitions}"
    )
    say(
        f"The partitions differed by {summary.skew_ms / 1000:,.0f} s in event time: what fell silent within is not told"
    )
    if summary.backlog:
        say(f"{summary.backlog:,} events wait in the old partitions")
