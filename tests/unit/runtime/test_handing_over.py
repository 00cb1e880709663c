"""What a partition hands over is sent once its checkpoint is durable, and again after a crash."""

from __future__ import annotations

import pytest

from support.lanes import RECORDS, SETTINGS, STATES, Broker, make_lane, process, raw
from support.probe import START_MS, event, record
from ubi_stream.errors import DeliveryError
from ubi_stream.events.identity import identity_event
from ubi_stream.runtime.partition_task import PartitionTask

BY_USER = SETTINGS.repartition_topic("user")


async def identify(task: PartitionTask) -> None:
    command = identity_event("$identify", "m-1", START_MS + 1000, "u-1", "anon-1")
    events = [record(event("anon-1"), 0), record(command, 1, key=b"anon-1"), record(event("anon-1"), 2)]
    await process(task, [raw(one) for one in events])


async def test_a_profile_and_what_follows_it_go_between_the_record_and_the_states() -> None:
    broker = Broker()
    task = make_lane(broker)
    await identify(task)
    assert broker.sent_to(BY_USER) == [], "nothing is sent that no checkpoint has"
    await task.barrier()
    steps = [step for step in broker.journal if step in (("send", BY_USER), ("write", RECORDS), ("write", STATES))]
    assert steps == [("write", RECORDS), ("send", BY_USER), ("send", BY_USER), ("write", STATES)]
    assert [key for topic, key, _ in broker.sent if topic == BY_USER] == [b"u-1", b"u-1"]


async def test_what_was_acknowledged_is_not_sent_again() -> None:
    broker = Broker()
    task = make_lane(broker)
    await identify(task)
    await task.close(flush=True)
    assert len(broker.sent_to(BY_USER)) == 2
    assert len(make_lane(broker).partition.handovers) == 0, "the last checkpoint has them no more"


@pytest.mark.parametrize(("fails", "sent"), [(RECORDS, 0), (STATES, 2)])
async def test_after_a_crash_it_is_sent_by_the_next_worker_even_if_nothing_else_comes(fails: str, sent: int) -> None:
    broker = Broker(fails=fails)
    task = make_lane(broker)
    await identify(task)
    with pytest.raises(DeliveryError):
        await task.barrier()
    assert len(broker.sent_to(BY_USER)) == sent
    broker.fails = ""
    after = make_lane(broker)
    if fails == RECORDS:
        await identify(after)  # nothing is known of it: the events come again
    assert after.is_due(1e9)
    await after.barrier()
    assert len(broker.sent_to(BY_USER)) == sent + 2
