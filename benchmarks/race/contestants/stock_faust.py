"""Stock Faust as its documents show it: an agent that takes one event at a time, and a table of states.

What it is given: bytes instead of JSON in the table, uvloop, and models that are kept in memory and written nowhere.
"""

from __future__ import annotations

from typing import Any

import faust
import uvloop

from benchmarks.race.core import Core, contestant_progress
from ubi_stream.events.model import Record
from ubi_stream.settings import Settings


def make_app(settings: Settings) -> faust.App:
    """The application with its agent and its table."""
    app = faust.App(
        settings.app_id,
        broker=f"kafka://{settings.broker}",
        store="memory://",
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
    )
    events = app.topic(settings.events_topic, key_type=bytes, value_type=bytes, value_serializer="raw")
    insights = app.topic(settings.insights_topic, key_type=bytes, value_type=bytes, value_serializer="raw")
    states = app.Table("states", partitions=settings.partitions, key_type=bytes, value_type=bytes)
    progress = contestant_progress()
    cores: dict[int, Core] = {}

    async def process(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            number = message.partition
            core = cores.get(number) or cores.setdefault(number, Core(settings, number, states))
            record = Record(
                message.topic, number, message.offset, int(message.timestamp * 1000), message.key, message.value
            )
            for key, value in core.process([record]):
                await insights.send(key=key, value=value)
            core.write_states()
            progress.add()

    app.agent(events)(process)
    return app


if __name__ == "__main__":
    uvloop.install()
    faust.Worker(make_app(Settings()), loglevel="warning").execute_from_commandline()
