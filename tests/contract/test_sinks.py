"""What every sink promises, asked of each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import asyncpg
import msgspec
import pytest

from support.memory_sink import MemorySink
from support.sink_rows import (
    DEAD_LETTERS,
    INSIGHTS,
    RECOMMENDATIONS,
    VISITS,
    WINDOWS,
    dead_letter_row,
    insight_id,
    insight_row,
    insights_stretch,
    recommendation_row,
    stretch,
    visit_erasure,
    visit_row,
    window_row,
)
from ubi_stream.clock import SystemClock
from ubi_stream.sinks.base import (
    InsightRow,
    InsightSink,
    Position,
    RecommendationErasureRow,
    SinkBehindError,
    TopicPartition,
)
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink

PARTITION = TopicPartition(INSIGHTS, 0)


class Subject(Protocol):
    """A sink, and a way to see what is in it."""

    sink: InsightSink

    async def insight_numbers(self) -> list[int]: ...

    async def numbers_of(self, user_id: str) -> list[int]: ...

    async def window_counts(self) -> dict[str, int]: ...

    async def dead_letter_ids(self) -> list[str]: ...

    async def visit_events(self) -> dict[str, int]: ...

    async def rewards(self) -> dict[str, float]: ...


class _Memory:
    def __init__(self) -> None:
        self.memory = MemorySink()
        self.sink: InsightSink = self.memory

    async def insight_numbers(self) -> list[int]:
        return sorted(row.source_offset for row in self.memory.insights.values())

    async def numbers_of(self, user_id: str) -> list[int]:
        return sorted(row.source_offset for row in self.memory.insights.values() if row.user_id == user_id)

    async def window_counts(self) -> dict[str, int]:
        return {row.key: row.count for row in self.memory.windows.values()}

    async def dead_letter_ids(self) -> list[str]:
        return sorted(self.memory.dead_letters)

    async def visit_events(self) -> dict[str, int]:
        return {row.user_session: row.total_events for row in self.memory.visits.values()}

    async def rewards(self) -> dict[str, float]:
        return {row.user_id: row.reward or 0.0 for row in self.memory.recommendations.values()}


class _Postgres:
    def __init__(self, sink: PostgresSink, connection: asyncpg.Connection) -> None:
        self.sink: InsightSink = sink
        self._connection = connection

    async def insight_numbers(self) -> list[int]:
        rows = await self._connection.fetch("SELECT source_offset FROM insights ORDER BY 1")
        return [row[0] for row in rows]

    async def numbers_of(self, user_id: str) -> list[int]:
        rows = await self._connection.fetch("SELECT source_offset FROM insights WHERE user_id = $1 ORDER BY 1", user_id)
        return [row[0] for row in rows]

    async def window_counts(self) -> dict[str, int]:
        return {row["key"]: row["count"] for row in await self._connection.fetch("SELECT * FROM window_counts")}

    async def dead_letter_ids(self) -> list[str]:
        return [row["id"] for row in await self._connection.fetch("SELECT id FROM dead_letters ORDER BY id")]

    async def visit_events(self) -> dict[str, int]:
        rows = await self._connection.fetch("SELECT user_session, total_events FROM visits")
        return {row["user_session"]: row["total_events"] for row in rows}

    async def rewards(self) -> dict[str, float]:
        return {row["user_id"]: row["reward"] for row in await self._connection.fetch("SELECT * FROM recommendations")}


@pytest.fixture
def memory() -> Subject:
    return _Memory()


@pytest.fixture
async def postgres_sink(database: str) -> AsyncIterator[Subject]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    sink = PostgresSink(database, clock=SystemClock())
    yield _Postgres(sink, connection)
    await sink.close()
    await connection.close()


@pytest.fixture(params=["memory", pytest.param("postgres_sink", marks=pytest.mark.server)])
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.getfixturevalue(request.param)
    return found


async def test_each_row_is_stored_once_however_often_its_batch_comes(subject: Subject) -> None:
    results = [await subject.sink.write(insights_stretch(0, 10)) for _ in range(3)]
    assert [result.insights for result in results] == [10, 0, 0]
    assert await subject.insight_numbers() == list(range(10))


async def test_one_id_at_several_offsets_is_one_row(subject: Subject) -> None:
    again = insight_row(11, id=insight_id(3), at=insight_row(3).at, source_offset=3)
    assert (await subject.sink.write(stretch(INSIGHTS, 0, 12, insight_row(3), again))).insights == 1
    later = insight_row(12, id=insight_id(3), at=insight_row(3).at, source_offset=3)
    assert (await subject.sink.write(stretch(INSIGHTS, 12, 13, later))).insights == 0
    assert await subject.insight_numbers() == [3]


async def test_stretches_may_overlap(subject: Subject) -> None:
    await subject.sink.write(insights_stretch(0, 10))
    assert (await subject.sink.write(insights_stretch(6, 14))).insights == 4
    assert await subject.insight_numbers() == list(range(14))


async def test_offsets_only_move_forward(subject: Subject) -> None:
    assert await subject.sink.next_offsets([PARTITION]) == {}
    await subject.sink.write(insights_stretch(0, 10))
    await subject.sink.write(insights_stretch(0, 4))
    assert await subject.sink.next_offsets([PARTITION, TopicPartition(INSIGHTS, 1)]) == {PARTITION: 10}


async def test_a_stretch_without_rows_moves_the_offset(subject: Subject) -> None:
    await subject.sink.write(stretch(INSIGHTS, 5, 9))
    assert await subject.sink.next_offsets([PARTITION]) == {PARTITION: 9}


async def test_partitions_have_offsets_of_their_own(subject: Subject) -> None:
    await subject.sink.write(stretch(INSIGHTS, 0, 5, insight_row(4)))
    await subject.sink.write(stretch(INSIGHTS, 0, 3, insight_row(2, partition=1), partition=1))
    await subject.sink.write(stretch(WINDOWS, 0, 2, window_row(1, 8)))
    wanted = {PARTITION: 5, TopicPartition(INSIGHTS, 1): 3, TopicPartition(WINDOWS, 0): 2}
    assert await subject.sink.next_offsets(wanted.keys()) == wanted


async def test_a_later_count_replaces_the_one_before(subject: Subject) -> None:
    await subject.sink.write(
        stretch(WINDOWS, 0, 3, window_row(0, 5), window_row(1, 9), window_row(2, 2, key="browser"))
    )
    assert await subject.window_counts() == {"bouncer": 9, "browser": 2}
    await subject.sink.write(stretch(WINDOWS, 3, 4, window_row(3, 12)))
    assert await subject.window_counts() == {"bouncer": 12, "browser": 2}


async def test_a_writer_that_lost_its_partition_does_not_bring_back_an_older_count(subject: Subject) -> None:
    # offset  0: 5   1: 9      one writer has 0 under way when it loses the partition; the other one stores 0 and 1
    await subject.sink.write(stretch(WINDOWS, 0, 2, window_row(0, 5), window_row(1, 9)))
    await subject.sink.write(stretch(WINDOWS, 0, 1, window_row(0, 5)))
    assert await subject.window_counts() == {"bouncer": 9}


async def test_a_gap_before_the_stretch_is_refused_whole(subject: Subject) -> None:
    await subject.sink.write(insights_stretch(0, 10))
    with pytest.raises(SinkBehindError, match=r"t\.insights-0"):
        await subject.sink.write(insights_stretch(12, 15))
    assert await subject.insight_numbers() == list(range(10))
    assert await subject.sink.next_offsets([PARTITION]) == {PARTITION: 10}


async def test_a_forgotten_partition_starts_again_and_keeps_its_rows(subject: Subject) -> None:
    await subject.sink.write(insights_stretch(0, 10))
    await subject.sink.forget([PARTITION])
    assert await subject.sink.next_offsets([PARTITION]) == {}
    assert (await subject.sink.write(insights_stretch(0, 12))).insights == 2
    assert await subject.sink.next_offsets([PARTITION]) == {PARTITION: 12}


def receipt_row(offset: int, user_id: str) -> InsightRow:
    evidence = '{"erased_id":"5f3a","parts":["state"]}'
    return insight_row(offset, kind="erasure", user_id=user_id, evidence=evidence)


async def test_a_receipt_of_an_erasure_deletes_its_users_rows(subject: Subject) -> None:
    # u1 has 1 and 8 before, 15 after; u0 and u2 keep theirs
    await subject.sink.write(insights_stretch(0, 8))
    rows = [insight_row(8), insight_row(9), receipt_row(10, "u1"), insight_row(14), insight_row(15)]
    assert (await subject.sink.write(stretch(INSIGHTS, 8, 16, *rows))).insights == 4
    assert await subject.insight_numbers() == [0, 2, 3, 4, 5, 6, 7, 9, 10, 14, 15]
    assert await subject.numbers_of("u1") == [15]
    assert await subject.numbers_of("5f3a") == [10]


async def test_what_a_crashed_worker_sends_again_is_deleted_by_the_receipt_that_it_sends_again(
    subject: Subject,
) -> None:
    first = [insight_row(1), receipt_row(2, "u1"), insight_row(8)]
    await subject.sink.write(stretch(INSIGHTS, 0, 9, *first))
    for offset, row in enumerate(first, 9):
        again = msgspec.structs.replace(row, position=Position(INSIGHTS, 0, offset))
        await subject.sink.write(stretch(INSIGHTS, offset, offset + 1, again))
    assert await subject.numbers_of("u1") == [8]
    assert await subject.numbers_of("5f3a") == [2]


async def test_a_receipt_that_names_no_hash_is_stored_without_the_users_id(subject: Subject) -> None:
    await subject.sink.write(insights_stretch(0, 2))
    wrong = msgspec.structs.replace(receipt_row(2, "u1"), evidence='{"erased_id":7}')
    await subject.sink.write(stretch(INSIGHTS, 2, 3, wrong))
    assert await subject.numbers_of("u1") == []
    assert await subject.insight_numbers() == [0, 2]


async def test_dead_letters_are_listed_once(subject: Subject) -> None:
    batch = stretch(DEAD_LETTERS, 0, 2, dead_letter_row(0), dead_letter_row(1))
    assert [(await subject.sink.write(batch)).dead_letters for _ in range(2)] == [2, 0]
    assert await subject.dead_letter_ids() == ["t.events-0-0", "t.events-0-1"]


async def test_a_visit_that_goes_on_replaces_its_row(subject: Subject) -> None:
    batch = stretch(VISITS, 0, 3, visit_row(0, 1), visit_row(1, 2), visit_row(2, 1, total_events=8))
    assert [(await subject.sink.write(batch)).visits for _ in range(2)] == [2, 0]
    assert await subject.visit_events() == {"s1": 8, "s2": 5}
    await subject.sink.write(stretch(VISITS, 3, 4, visit_row(3, 1, total_events=9)))
    assert await subject.visit_events() == {"s1": 9, "s2": 5}


async def test_records_of_recommendations_are_stored_once_until_their_user_is_erased(subject: Subject) -> None:
    rows = [recommendation_row(0, 1), recommendation_row(1, 2), recommendation_row(2, 1)]
    written = [(await subject.sink.write(stretch(RECOMMENDATIONS, 0, 3, *rows))).recommendations for _ in range(2)]
    assert written == [2, 0]
    assert await subject.rewards() == {"u1": 1.0, "u2": 1.0}
    erasure = RecommendationErasureRow(Position(RECOMMENDATIONS, 0, 4), "user", "u1")
    await subject.sink.write(
        stretch(RECOMMENDATIONS, 3, 6, recommendation_row(3, 8), erasure, recommendation_row(5, 3))
    )
    assert await subject.rewards() == {"u2": 1.0, "u3": 1.0}


async def test_an_erasure_deletes_the_visits_of_before(subject: Subject) -> None:
    # u1 has visits 1 and 8 before, 15 after; u2 keeps its own
    await subject.sink.write(stretch(VISITS, 0, 2, visit_row(0, 1), visit_row(1, 2)))
    rows = [visit_row(2, 8), visit_erasure(3, "u1"), visit_row(4, 15)]
    await subject.sink.write(stretch(VISITS, 2, 5, *rows))
    assert await subject.visit_events() == {"s2": 5, "s15": 5}


async def test_visits_that_a_crashed_worker_sends_again_go_with_the_erasure_that_it_sends_again(
    subject: Subject,
) -> None:
    await subject.sink.write(stretch(VISITS, 0, 2, visit_row(0, 1), visit_erasure(1, "u1")))
    await subject.sink.write(stretch(VISITS, 2, 3, visit_row(2, 1)))
    await subject.sink.write(stretch(VISITS, 3, 4, visit_erasure(3, "u1")))
    assert await subject.visit_events() == {}
