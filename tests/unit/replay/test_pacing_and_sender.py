"""Records leave at their pace, few enough at once, and each is accounted for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, NotLeaderForPartitionError

from ubi_stream.clock import ManualClock
from ubi_stream.data.pacing import Speed, parse_speed
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.sender import Sender, SendReport
from ubi_stream.errors import ConfigError, DeliveryError


class RecordingProducer:
    """Keeps what is sent, with the time, and acknowledges when the test says so."""

    def __init__(self, clock: ManualClock | None = None, *, acknowledge: bool = True) -> None:
        self.clock = clock or ManualClock()
        self.acknowledge = acknowledge
        self.sent: list[tuple[bytes | None, bytes | None, float]] = []
        self.waiting: list[asyncio.Future[Any]] = []
        self.refuse: dict[bytes | None, Exception] = {}
        self.fail_later: dict[bytes | None, Exception] = {}

    async def send(self, topic: str, value: bytes | None = None, key: bytes | None = None) -> asyncio.Future[Any]:
        if value in self.refuse:
            raise self.refuse[value]
        self.sent.append((key, value, self.clock.monotonic_s()))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if value in self.fail_later:
            future.set_exception(self.fail_later[value])
        elif self.acknowledge:
            future.set_result(None)
        else:
            self.waiting.append(future)
        return future

    def acknowledge_all(self) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_result(None)


def records(*times_s: float | None) -> list[ProducerRecord]:
    return [
        ProducerRecord(b"u", b"%d" % n, None if time_s is None else int(time_s * 1000))
        for n, time_s in enumerate(times_s)
    ]


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def send_at(speed: Speed, *times_s: float | None, work_s: float = 0.0) -> list[float]:
    """Seconds after the start at which records with these event times left."""
    clock = ManualClock(now_ms=50_000)

    async def sleep(wait_s: float) -> None:
        clock.advance_ms(round(wait_s * 1000))

    producer = RecordingProducer(clock)
    send = producer.send

    async def slow_send(topic: str, value: bytes | None = None, key: bytes | None = None) -> asyncio.Future[Any]:
        future = await send(topic, value, key)
        clock.advance_ms(round(work_s * 1000))
        return future

    producer.send = slow_send  # type: ignore[method-assign]  # a producer whose every record takes some time
    report = await Sender(producer, "events", clock, speed=speed, sleep=sleep).send(records(*times_s))
    assert report.acknowledged == len(times_s)
    return [at_s for _, _, at_s in producer.sent]


async def test_realtime_leaves_at_the_files_own_pace() -> None:
    assert await send_at("realtime", 1000, 1000, 1002.5, 1010) == [0, 0, 2.5, 10]


async def test_a_factor_is_that_many_times_faster() -> None:
    assert await send_at(4.0, 1000, 1002, 1010) == [0, 0.5, 2.5]


async def test_max_never_waits() -> None:
    assert await send_at("max", 1000, 5000, 9000) == [0, 0, 0]


async def test_times_that_go_back_or_are_unknown_leave_at_once() -> None:
    assert await send_at("realtime", None, 1000, 1004, None, 1001, 1006) == [0, 0, 4, 4, 4, 6]


async def test_a_slow_machine_catches_up_instead_of_drifting() -> None:
    #          due at       0     1     2    10
    #          leaves at    0     3     6    10: late by the work, but the last one is on time again
    assert await send_at("realtime", 0, 1, 2, 10, work_s=3.0) == [0, 3, 6, 10]


@pytest.mark.parametrize(("text", "speed"), [("max", "max"), ("realtime", "realtime"), ("2", 2.0), ("0.5", 0.5)])
def test_parses_speeds(text: str, speed: Speed) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan", "inf", ""])
def test_refuses_other_speeds(text: str) -> None:
    with pytest.raises(ConfigError, match="expected max, realtime, or a number over 0"):
        parse_speed(text)


async def test_sends_keys_and_values_as_they_are_and_counts_bytes() -> None:
    producer = RecordingProducer()
    given = [ProducerRecord(b"u1", b"abc"), ProducerRecord(None, b"de"), ProducerRecord(b"u2", None)]
    report = await Sender(producer, "events", ManualClock()).send(given)
    assert [(key, value) for key, value, _ in producer.sent] == [(r.key, r.value) for r in given]
    assert report == SendReport(records=3, acknowledged=3, refused=0, sent_bytes=9)


async def test_at_most_so_many_are_in_flight() -> None:
    producer = RecordingProducer(acknowledge=False)
    sender = Sender(producer, "events", ManualClock(), max_in_flight=3)
    task = asyncio.create_task(sender.send(records(*range(7))))
    await settle()
    assert len(producer.sent) == 3
    producer.acknowledge_all()
    await settle()
    assert len(producer.sent) == 6
    assert sender.report.acknowledged == 3
    producer.acknowledge_all()
    await settle()
    assert len(producer.sent) == 7
    assert not task.done(), "the last acknowledgement is still missing"
    producer.acknowledge_all()
    assert (await task).acknowledged == 7


async def test_records_that_can_never_be_written_are_counted_and_the_rest_goes_on() -> None:
    producer = RecordingProducer()
    producer.refuse[b"1"] = MessageSizeTooLargeError("the producer's limit")
    producer.fail_later[b"2"] = MessageSizeTooLargeError("the broker's limit")
    given = [*records(0, 1, 2), ProducerRecord(None, None), *records(3)]
    report = await Sender(producer, "events", ManualClock()).send(given)
    assert (report.records, report.acknowledged, report.refused) == (5, 2, 3)


async def test_a_record_that_the_broker_did_not_take_stops_everything() -> None:
    producer = RecordingProducer()
    producer.fail_later[b"1"] = NotLeaderForPartitionError()
    sender = Sender(producer, "events", ManualClock(), max_in_flight=1)
    with pytest.raises(DeliveryError, match=r"topic events did not take a record \(NotLeaderForPartitionError"):
        await sender.send(records(*range(10)))
    assert len(producer.sent) == 2


async def test_a_full_producer_is_a_delivery_error() -> None:
    producer = RecordingProducer()
    producer.refuse[b"1"] = KafkaTimeoutError()
    with pytest.raises(DeliveryError, match=r"KafkaTimeoutError.* of 1 were acknowledged"):
        await Sender(producer, "events", ManualClock()).send(records(*range(3)))


async def test_a_stopped_producer_is_a_delivery_error() -> None:
    producer = RecordingProducer(acknowledge=False)
    task = asyncio.create_task(Sender(producer, "events", ManualClock()).send(records(0)))
    await settle()
    producer.waiting[0].cancel()
    with pytest.raises(DeliveryError, match="the producer was stopped"):
        await task


async def test_cancelled_while_waiting_still_awaits_what_is_on_its_way() -> None:
    producer = RecordingProducer(acknowledge=False)
    reports: list[SendReport] = []
    never = asyncio.Event()

    async def sleep(_wait_s: float) -> None:
        await never.wait()

    sender = Sender(producer, "events", ManualClock(), speed="realtime", sleep=sleep, on_progress=reports.append)
    task = asyncio.create_task(sender.send(records(0, 0, 60)))
    await settle()
    task.cancel()
    await settle()
    assert not task.done(), "two acknowledgements are missing"
    producer.acknowledge_all()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sender.report.acknowledged == reports[-1].acknowledged == 2
    assert len(producer.sent) == 2


async def test_progress_is_told_while_sending_and_at_the_end() -> None:
    reports: list[SendReport] = []
    sender = Sender(RecordingProducer(), "events", ManualClock(), on_progress=reports.append)
    await sender.send(records(*range(1000)))
    assert [report.records for report in reports] == [256, 512, 768, 1000]
    assert reports[-1].acknowledged == 1000
