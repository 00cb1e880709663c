"""The barrier: what is written in which order, and what may be committed then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from support.lanes import (
    RECORDS,
    SETTINGS,
    STATES,
    TP_BY_USER,
    TP_EVENTS,
    Broker,
    Observer,
    make_lane,
    outcome,
    process,
    raw,
    settled,
    stream,
)
from support.probe import event, record
from ubi_stream.effects import Effects
from ubi_stream.errors import DeliveryError
from ubi_stream.events.limits import MAX_VALUE_BYTES
from ubi_stream.kafka.outbox import Change
from ubi_stream.reasons import SnapshotReason
from ubi_stream.runtime import partition_task as lane_module
from ubi_stream.state.identities import Handover


async def test_insights_then_record_then_states_then_done() -> None:
    broker = Broker(holds=True)
    task = make_lane(broker)
    await process(task, stream(1, 60))
    barrier = asyncio.create_task(task.barrier())
    await settled()
    assert broker.steps() == ["send"], "nothing is written while an insight is not acknowledged"

    broker.acknowledge()
    await barrier

    assert broker.steps() == ["send", "acknowledged", RECORDS, STATES, "done"]
    assert broker.done == {TP_EVENTS: 60}
    assert SETTINGS.insights_topic in {topic for topic, _, _ in broker.sent}


@pytest.mark.parametrize(
    ("step", "written"), [("send", []), (RECORDS, []), (STATES, [RECORDS])], ids=["insights", "record", "states"]
)
async def test_nothing_is_done_when_a_step_fails(step: str, written: list[str]) -> None:
    broker = Broker(fails=step, holds=step == "send")
    task = make_lane(broker)
    await process(task, stream(1, 40))
    barrier = asyncio.create_task(task.barrier())
    await settled()
    broker.acknowledge()
    with pytest.raises(DeliveryError):
        await barrier
    assert broker.done == {}
    assert [entry[1] for entry in broker.journal if entry[0] == "write"] == written


async def test_what_is_processed_while_a_barrier_waits_belongs_to_the_next() -> None:
    broker = Broker(holds=True)
    task = make_lane(broker)
    records = stream(2, 60)
    await process(task, records[:30])
    barrier = asyncio.create_task(task.barrier())
    await settled()
    await process(task, records[30:])
    first_half = dict(broker.changelogs[STATES].content(0))

    broker.acknowledge()
    await barrier
    assert broker.done == {TP_EVENTS: 30}
    assert first_half == {}

    broker.acknowledge()
    await task.barrier()
    assert broker.done == {TP_EVENTS: 60}
    whole = Broker()
    undisturbed = make_lane(whole)
    await process(undisturbed, records)
    await undisturbed.barrier()
    assert outcome(broker, task) == outcome(whole, undisturbed)


async def test_two_barriers_never_overlap() -> None:
    broker = Broker(holds=True)
    task = make_lane(broker)
    records = stream(3, 40)
    await process(task, records[:20])
    first = asyncio.create_task(task.barrier())
    await settled()
    broker.holds = False
    await process(task, records[20:])
    second = asyncio.create_task(task.barrier())
    await settled()
    assert not second.done(), "all that the second one waits for is acknowledged, but the first one is not through"
    broker.acknowledge()
    await asyncio.gather(first, second)
    assert [entry for entry in broker.journal if entry[0] == "done"] == [
        ("done", TP_EVENTS.topic, 20),
        ("done", TP_EVENTS.topic, 40),
    ]


async def test_no_barrier_is_cut_while_effects_of_a_batch_are_still_handed_over() -> None:
    broker = Broker()
    task = make_lane(broker)
    broker.gate.clear()
    processing = asyncio.create_task(process(task, stream(4, 50)))
    await settled()
    barrier = asyncio.create_task(task.barrier())
    await settled()
    assert not barrier.done()
    broker.gate.set()
    await asyncio.gather(processing, barrier)
    last_send = max(at for at, entry in enumerate(broker.journal) if entry[0] == "send")
    first_write = min(at for at, entry in enumerate(broker.journal) if entry[0] == "write")
    assert last_send < first_write, "the record says that the batch is told about: so it must have been"
    assert broker.done == {TP_EVENTS: 50}


async def test_a_barrier_does_not_take_turns_with_the_batches_of_a_backlog() -> None:
    class Distant(Broker):
        async def write(self, topic: str, partition: int, records: Sequence[Change]) -> range:
            await settled(5)  # the producer's tasks, its connection, and the answer
            return await super().write(topic, partition, records)

    batches = Observer()
    due, busy = make_lane(Distant()), make_lane(Broker(), batches, chunk_max_events=10)
    await process(due, stream(1, 60))
    backlog = asyncio.create_task(process(busy, stream(2, 400)))
    await due.barrier()
    assert len(batches.effects) <= 2, "of 40"
    await backlog


async def test_a_barrier_without_news_writes_nothing() -> None:
    broker = Broker()
    task = make_lane(broker)
    await task.barrier()
    await process(task, stream(5, 10))
    await task.barrier()
    before = list(broker.journal)
    await task.barrier()
    assert broker.journal == before


async def test_topics_of_a_partition_are_done_each_for_itself() -> None:
    broker = Broker()
    task = make_lane(broker)
    await process(task, stream(6, 12))
    forwarded = raw(record(event("u1"), 5, topic=TP_BY_USER.topic))
    await task.process(TP_BY_USER, [forwarded], forwarded=True)
    await task.barrier()
    assert broker.done == {TP_EVENTS: 12, TP_BY_USER: 6}


async def test_only_what_was_folded_again_may_be_committed_after_a_crash() -> None:
    """The record is in its changelog, the states are not: what the record says is learned is not yet in the states."""
    records = stream(7, 80)
    broker = Broker()
    task = make_lane(broker)
    await process(task, records[:20])
    await task.barrier()
    await process(task, records[20:])
    broker.fails = STATES
    with pytest.raises(DeliveryError):
        await task.barrier()

    broker.fails = ""
    restarted = make_lane(broker)
    assert restarted.partition.progress.learned[TP_EVENTS.topic] == 79
    await process(restarted, records[20:30])
    await restarted.barrier()
    assert broker.done == {TP_EVENTS: 30}

    again = make_lane(broker)  # it crashes again, and goes on where it had committed
    await process(again, records[30:])
    await again.barrier()
    whole = Broker()
    undisturbed = make_lane(whole)
    await process(undisturbed, records)
    await undisturbed.barrier()
    assert outcome(broker, again) == outcome(whole, undisturbed)


async def test_processing_waits_for_a_slow_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "MAX_UNACKNOWLEDGED", 10)
    broker = Broker(holds=True)
    task = make_lane(broker, chunk_max_events=5)
    processing = asyncio.create_task(process(task, stream(8, 200)))
    await settled(200)
    assert not processing.done()
    waiting_with = len(broker.sent)
    assert 10 < waiting_with < 60, "one batch more than allowed, and no further"
    await settled(200)
    assert len(broker.sent) == waiting_with
    broker.holds = False
    broker.acknowledge()
    await processing
    assert len(broker.sent) > waiting_with


async def test_a_closed_lane_drops_what_comes_and_flushes_what_came() -> None:
    broker = Broker()
    task = make_lane(broker)
    records = stream(9, 40)
    await process(task, records[:25])
    await task.close(flush=True)
    await process(task, records[25:])
    await task.barrier()
    assert broker.done == {TP_EVENTS: 25}
    assert task.partition.progress.learned[TP_EVENTS.topic] == 24


async def test_a_lane_that_could_not_be_closed_in_time_begins_no_barrier_later() -> None:
    """Its next owner may be at work by then."""
    broker = Broker()
    task = make_lane(broker, flush_max_events=10)
    broker.gate.clear()
    processing = asyncio.create_task(process(task, stream(10, 40)))
    await settled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await task.close(flush=True)
    broker.gate.set()
    await processing
    assert broker.steps() == ["send"]


async def test_a_record_too_large_for_the_dead_letters_topic_is_told_without_its_content() -> None:
    broker = Broker()
    task = make_lane(broker)
    small, huge = b"x" * (MAX_VALUE_BYTES + 1), b"y" * (lane_module.MAX_DEAD_LETTER_BYTES * 3 // 4)
    chunk = [raw(record(value, offset, key=b"somebody")) for offset, value in enumerate((small, huge))]
    await process(task, chunk)
    await task.barrier()
    letters = {key: value for topic, key, value in broker.sent if topic == SETTINGS.dead_letters_topic}
    assert set(letters) == {b"somebody", None}
    assert all(len(value or b"") < lane_module.MAX_DEAD_LETTER_BYTES for value in letters.values())
    whole, bare = letters[b"somebody"] or b"", letters[None] or b""
    assert b'"reason":"too_large"' in whole
    assert b'"value_base64":"eHh4' in whole
    assert b'"reason":"too_large"' in bare
    assert b'"value_base64":null' in bare
    assert b'"offset":1' in bare


async def test_models_signed_with_another_key_start_fresh_and_states_stay() -> None:
    broker, observer = Broker(), Observer()
    task = make_lane(broker)
    records = stream(11, 120)
    await process(task, records[:100])
    await task.barrier()

    other = make_lane(broker, observer, key=b"another key")
    assert [problem.reason for problem in observer.problems] == [SnapshotReason.WRONG_KEY_OR_TAMPERED]
    assert other.partition.models.n_seen == 0
    assert other.partition.store.count == len(broker.changelogs[STATES].content(0)) > 0
    await process(other, records[100:])
    await other.barrier()
    assert other.partition.models.n_seen > 0
    assert len(observer.problems) == 1
    assert make_lane(broker, observer, key=b"another key").partition.models.n_seen == other.partition.models.n_seen
    assert len(observer.problems) == 1


async def test_what_a_barrier_hands_over_while_a_pass_waits_for_acknowledgements_is_still_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ubi_stream.runtime.partition_task.MAX_UNACKNOWLEDGED", 1)
    broker = Broker(holds=True)
    task = make_lane(broker)
    for _ in range(2):
        await task._send("ubi.insights", None, b"")
    waiting = asyncio.create_task(task._deliver(Effects.nothing()))
    await asyncio.sleep(0)
    await task._hand_over([Handover("ubi.events/0", 0, b"u1", b"{}", ())])
    broker.acknowledge()
    await waiting
    assert len(task._unacknowledged) == 1
