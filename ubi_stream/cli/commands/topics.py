"""`ubi topics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ubi_stream.cli.options import Broker, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say, stdout

if TYPE_CHECKING:  # they load aiokafka
    from ubi_stream.runtime.topic_check import TopicDifference
    from ubi_stream.runtime.topics import TopicReport


def topics(
    check: Annotated[
        bool, typer.Option("--check", help="Create nothing; end with status 1 if a topic is missing or differs.")
    ] = False,
    pack: PackName = None,
    broker: Broker = None,
) -> None:
    """Create the topics that are missing, and compare the others with what the product would make.

    Another number of partitions ends with status 65. A configuration that differs (retention, compaction, timestamps,
    size of records) is listed. Waits for the broker up to UBI_STARTUP_TIMEOUT_S. Never changes or deletes a topic.

    Examples:

    - `UBI_BROKER=kafka:9092 UBI_PARTITIONS=12 UBI_REPLICATION_FACTOR=3 ubi topics`

    - `ubi topics --check`
    """
    report, differences = run_async(_topics(load_settings(pack=pack, broker=broker), check=check))
    for name in report.existing:
        stdout().print(f"there     {name}")
    for name in report.created:
        stdout().print(f"{'missing' if check else 'created':9} {name}")
    for one in differences:
        stdout().print(f"{'HARMFUL' if one.harm else 'differs':9} {escape(str(one).removeprefix('topic '))}")
    if check and report.created:
        say("run `ubi topics` to create what is missing")
    if check and (report.created or differences):
        raise typer.Exit(1)


async def _topics(settings: Settings, *, check: bool) -> tuple[TopicReport, list[TopicDifference]]:
    from ubi_stream.kafka.client import connect_admin  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.runtime.topic_check import differing_configs  # noqa: PLC0415 - as above
    from ubi_stream.runtime.topics import check_topics, ensure_topics  # noqa: PLC0415 - as above

    pack = load_pack(settings.pack)
    admin = await connect_admin(settings, SystemClock(), on_retry=say)
    try:
        report = await (check_topics if check else ensure_topics)(admin, settings, pack)
        return report, await differing_configs(admin, settings, pack)
    finally:
        await admin.close()
