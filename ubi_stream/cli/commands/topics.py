"""`ubi topics`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.configured import load_settings
from ubi_stream.cli.console import run_async, say, stdout
from ubi_stream.cli.options import PackName
from ubi_stream.clock import SystemClock
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings


def topics(
    check: Annotated[
        bool, typer.Option("--check", help="Create nothing; end with status 1 if a topic is missing.")
    ] = False,
    pack: PackName = None,
) -> None:
    """Create the topics that are missing, and check that the others have the partitions that the settings say.

    Waits for the broker up to UBI_STARTUP_TIMEOUT_S. Never changes or deletes a topic.

    Examples:

    - `UBI_BROKER=kafka:9092 UBI_PARTITIONS=12 UBI_REPLICATION_FACTOR=3 ubi topics`

    - `ubi topics --check`
    """
    created, existing = run_async(_topics(load_settings(pack=pack), check=check))
    for name in existing:
        stdout().print(f"there     {name}")
    for name in created:
        stdout().print(f"{'missing' if check else 'created':9} {name}")
    if check and created:
        say("run `ubi topics` to create what is missing")
        raise typer.Exit(1)


async def _topics(settings: Settings, *, check: bool) -> tuple[list[str], list[str]]:
    from ubi_stream.runtime.kafka_client import connect_admin  # noqa: PLC0415 - loads aiokafka
    from ubi_stream.runtime.topics import all_topics, ensure_topics, missing_topics  # noqa: PLC0415 - as above

    pack = load_pack(settings.pack)
    admin = await connect_admin(settings, SystemClock(), on_retry=say)
    try:
        if check:
            missing = await missing_topics(admin, settings, pack)
            return missing, sorted(all_topics(settings, pack).keys() - set(missing))
        report = await ensure_topics(admin, settings, pack)
        return sorted(report.created), report.existing
    finally:
        await admin.close()
