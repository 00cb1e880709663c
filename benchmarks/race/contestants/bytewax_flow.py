"""Bytewax with a stateful map, one worker, and its recovery store switched on: else it would keep no state.

What it is given: models kept in memory alone. Its stateful step takes a batch key by key and not in the order of the
partition, so each partition's events are numbered as they come.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Final, TypeAlias

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from benchmarks.race.core import BorrowedStates, Core, contestant_folder, contestant_progress
from ubi_stream.events.model import Record
from ubi_stream.settings import Settings

SNAPSHOT_EVERY: Final = timedelta(seconds=10)
"""Its default."""
Source: TypeAlias = "KafkaSourceMessage[bytes, bytes]"
Sink: TypeAlias = "KafkaSinkMessage[bytes, bytes]"


class Processor:
    """What the stateful step does with each event."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cores: dict[int, tuple[Core, BorrowedStates]] = {}
        self._offsets: dict[int, int] = {}
        self._progress = contestant_progress()

    def __call__(self, state: bytes | None, message: Source) -> tuple[bytes | None, Iterable[Sink]]:
        """State after one event, and its insights."""
        number = message.partition or 0
        core, states = self._core(number)
        states.key, states.value = message.key, state
        offset = self._offsets[number] = self._offsets.get(number, -1) + 1
        timestamp_ms = message.timestamp[1] if message.timestamp else 0
        record = Record(message.topic or "", number, offset, timestamp_ms, message.key, message.value)
        insights = [KafkaSinkMessage(key, value) for key, value in core.process([record])]
        core.write_states()
        self._progress.add()
        return states.value, insights

    def _core(self, partition: int) -> tuple[Core, BorrowedStates]:
        if partition not in self._cores:
            states = BorrowedStates()
            self._cores[partition] = Core(self._settings, partition, states), states
        return self._cores[partition]


def make_flow(settings: Settings) -> Dataflow:
    """Kafka, state by user, Kafka."""
    flow = Dataflow("race")
    events = op.input("events", flow, KafkaSource([settings.broker], [settings.events_topic]))
    by_user = op.key_on("by_user", events, lambda message: message.key.decode())
    insights = op.stateful_flat_map("core", by_user, Processor(settings))
    op.output(
        "insights",
        op.map("value", insights, lambda pair: pair[1]),
        KafkaSink([settings.broker], settings.insights_topic),
    )
    return flow


if __name__ == "__main__":
    folder = contestant_folder("recovery")
    if not any(folder.iterdir()):
        subprocess.run([sys.executable, "-m", "bytewax.recovery", str(folder), "1"], check=True)
    cli_main(make_flow(Settings()), epoch_interval=SNAPSHOT_EVERY, recovery_config=RecoveryConfig(folder))
