"""A hole in the offsets: of what expired, of what never was, or of ours."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from support.lanes import Raw
from ubi_stream.errors import ContiguityError
from ubi_stream.kafka import gaps
from ubi_stream.kafka.gaps import Hole, check_gap


class Log:
    """Stands in for a consumer of one partition that begins at `start` and has one record from there on."""

    def __init__(self, start: int, first: int | None) -> None:
        self._start = start
        self._first = first

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def seek(self, tp: TopicPartition, offset: int) -> None: ...

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self._start)

    async def getmany(self, tp: TopicPartition, **_options: Any) -> dict[TopicPartition, list[Raw]]:
        return {} if self._first is None else {tp: [Raw(tp.topic, tp.partition, self._first, 0, b"u", b"")]}


@pytest.mark.parametrize(
    ("start", "first", "hole"),
    [
        (0, 20, Hole(expired=0, empty=10)),  # a transaction's markers, or compaction
        (20, 20, Hole(expired=10, empty=0)),  # the retention was shorter than we were away
        (17, 20, Hole(expired=7, empty=3)),
        (30, 30, Hole(expired=10, empty=0)),  # and it went on meanwhile
    ],
)
async def test_a_hole_of_the_log_is_measured(
    monkeypatch: pytest.MonkeyPatch, start: int, first: int, hole: Hole
) -> None:
    monkeypatch.setattr(gaps, "AIOKafkaConsumer", lambda **_options: Log(start, first))
    assert await check_gap({}, "ubi.events", 2, expected=10, found=20) == hole


@pytest.mark.parametrize("first", [10, 15, None])
async def test_a_record_in_the_hole_or_no_answer_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch, first: int | None
) -> None:
    monkeypatch.setattr(gaps, "AIOKafkaConsumer", lambda **_options: Log(0, first))
    with pytest.raises(ContiguityError, match="offsets 10 to 19 were not delivered"):
        await check_gap({}, "ubi.events", 2, expected=10, found=20)
