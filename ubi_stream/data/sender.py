"""Sends records to the events topic: paced, bounded in flight, every acknowledgement awaited and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import msgspec
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from ubi_stream.clock import Clock
from ubi_stream.data.pacing import Pacer, Sleep, Speed
from ubi_stream.data.records import ProducerRecord
from ubi_stream.errors import DeliveryError

# A record of this many gives way to the event loop, so that a file read at full speed doesn't starve the network.
_YIELD_EVERY = 256
# How long a cancelled send waits for what is on its way.
_DRAIN_TIMEOUT_S = 10.0


class Producer(Protocol):
    """What the sender needs of a Kafka producer; aiokafka's fits."""

    async def send(self, topic: str, value: bytes | None = ..., key: bytes | None = ...) -> asyncio.Future[Any]:
        """Queue a record; the future is done when the broker has acknowledged it."""
        ...


class SendReport(msgspec.Struct, frozen=True):
    """How many records there were, and what became of them.

    Attributes
    ----------
    records
        Taken from the source: `acknowledged` + `refused` + those still on their way.
    acknowledged
        Written by the broker.
    refused
        Could not be written, ever: larger than producer or broker allow, or with neither key nor value.
    sent_bytes
        Keys and values handed to the producer.
    first_refused_row
        Row of the file that was the first not to be written; 0 for none.
    """

    records: int = 0
    acknowledged: int = 0
    refused: int = 0
    sent_bytes: int = 0
    first_refused_row: int = 0


class Sender:
    """Sends a stream of records once.

    Parameters
    ----------
    producer
        A started producer with `acks=all` and idempotence.
    topic
        Where to.
    speed
        "max", "realtime", or how many times faster than event time.
    clock, sleep
        For pacing.
    max_in_flight
        Most records that are sent but not acknowledged.
    on_progress
        Called now and then, before each wait and at the end, with the report so far.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        clock: Clock,
        *,
        speed: Speed = "max",
        sleep: Sleep = asyncio.sleep,
        max_in_flight: int = 10_000,
        on_progress: Callable[[SendReport], None] | None = None,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._pacer = Pacer(speed, clock, sleep)
        self._max_in_flight = max_in_flight
        self._on_progress = on_progress
        self._records = self._acknowledged = self._refused = self._sent_bytes = 0
        self._in_flight = self._first_refused_row = 0
        self._landed = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def report(self) -> SendReport:
        """Counts so far; final once `send` has ended, also when it was cancelled."""
        return SendReport(self._records, self._acknowledged, self._refused, self._sent_bytes, self._first_refused_row)

    async def send(self, records: Iterable[ProducerRecord]) -> SendReport:
        """Send all records and wait for every acknowledgement.

        Raises
        ------
        DeliveryError
            The broker did not take a record. Nothing more is sent.
        asyncio.CancelledError
            Cancelled from outside, after what was on its way has landed (10 s at most).
        """
        try:
            for record in records:
                wait_s = self._pacer.wait_s(record.time_ms)
                if wait_s > 0:
                    self._progress()
                    await self._pacer.sleep(wait_s)
                await self._send_one(record)
                if self._records % _YIELD_EVERY == 0:
                    self._progress()
                    await asyncio.sleep(0)
            await self._until_in_flight(0)
        except asyncio.CancelledError:
            await self._drain()
            raise
        finally:
            self._progress()
        return self.report

    async def _send_one(self, record: ProducerRecord) -> None:
        await self._until_in_flight(self._max_in_flight - 1)
        if record.key is None and record.value is None:
            self._records += 1
            self._refuse(record.row)  # Kafka's clients send no record with neither
            return
        try:
            acknowledged = await self._producer.send(self._topic, value=record.value, key=record.key)
        except MessageSizeTooLargeError:
            self._records += 1
            self._refuse(record.row)
            return
        except KafkaError as error:
            self._failure = error
            await self._until_in_flight(0)
            return
        self._records += 1
        self._sent_bytes += len(record.key or b"") + len(record.value or b"")
        self._in_flight += 1
        acknowledged.add_done_callback(partial(self._land, record.row))

    def _refuse(self, row: int) -> None:
        self._refused += 1
        self._first_refused_row = self._first_refused_row or row

    def _land(self, row: int, acknowledged: asyncio.Future[Any]) -> None:
        self._in_flight -= 1
        self._landed.set()
        if acknowledged.cancelled():
            self._failure = self._failure or asyncio.CancelledError("the producer was stopped")
            return
        error = acknowledged.exception()
        if error is None:
            self._acknowledged += 1
        elif isinstance(error, MessageSizeTooLargeError):
            self._refuse(row)
        else:
            self._failure = self._failure or error

    async def _until_in_flight(self, most: int) -> None:
        while self._in_flight > most and self._failure is None:
            self._landed.clear()
            await self._landed.wait()
        if self._failure is not None:
            raise DeliveryError(
                f"topic {self._topic} did not take a record ({type(self._failure).__name__}: {self._failure}); "
                f"{self._acknowledged} of {self._records} were acknowledged"
            ) from self._failure

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                await self._until_in_flight(0)
        except (TimeoutError, DeliveryError):
            pass  # the cancellation is what the caller hears of; the report says what was acknowledged

    def _progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self.report)
