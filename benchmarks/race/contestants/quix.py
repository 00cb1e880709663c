"""Quix Streams with its state: RocksDB, and a changelog topic.

What it is given: states as bytes instead of JSON, the product's cache in front of them, models kept in memory alone.
"""

from __future__ import annotations

from typing import Any

from quixstreams import Application, State, message_context

from benchmarks.race.core import BorrowedStates, Core, Message, contestant_folder, contestant_progress
from ubi_stream.events.model import Record
from ubi_stream.settings import Settings


class Processor:
    """What the data frame applies to each event."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cores: dict[int, tuple[Core, BorrowedStates]] = {}
        self._progress = contestant_progress()

    def __call__(self, value: bytes, key: bytes, timestamp_ms: int, _headers: Any, state: State) -> list[Message]:
        """Insights of one event."""
        context = message_context()
        core, states = self._core(context.partition)
        states.key, states.value = key, state.get_bytes("state")
        messages = core.process(
            [Record(context.topic, context.partition, context.offset, timestamp_ms, key, value)],
        )
        core.write_states()
        if states.value is not None:
            state.set_bytes("state", states.value)
        self._progress.add()
        return messages

    def _core(self, partition: int) -> tuple[Core, BorrowedStates]:
        if partition not in self._cores:
            states = BorrowedStates()
            self._cores[partition] = Core(self._settings, partition, states), states
        return self._cores[partition]


def run(settings: Settings) -> None:
    """Consume until told to stop."""
    app = Application(
        settings.broker,
        consumer_group=settings.app_id,
        auto_offset_reset="earliest",
        state_dir=contestant_folder("rocksdb"),
        loglevel="WARNING",
    )
    events = app.topic(settings.events_topic, key_deserializer="bytes", value_deserializer="bytes")
    insights = app.topic(settings.insights_topic, key_serializer="bytes", value_serializer="bytes")
    frame = app.dataframe(events)
    found = frame.apply(Processor(settings), stateful=True, expand=True, metadata=True)
    found.apply(lambda message: message[1]).to_topic(insights)
    app.run()


if __name__ == "__main__":
    run(Settings())
