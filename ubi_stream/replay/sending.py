"""Sends a stream of records to the events topic: the producer, and what the person sees meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from ubi_stream.clock import Clock
from ubi_stream.data.pacing import Speed
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.sender import Producer, Sender, SendReport
from ubi_stream.errors import ConfigError, TopicLayoutError
from ubi_stream.kafka.client import client_options, connect_admin, unreachable
from ubi_stream.settings import Settings
from ubi_stream.terminal.console import counted

# Under the broker's default limit: what it refuses would leave a hole in the sequence of an idempotent producer.
_MAX_REQUEST_BYTES: Final = 1_000_000
# Enough to fill a batch at full speed, and nobody notices it at a person's pace.
_LINGER_MS: Final = 5


@asynccontextmanager
async def started_producer(settings: Settings) -> AsyncIterator[Producer]:
    """A producer that loses nothing and doubles nothing, for as long as the context lasts.

    Raises
    ------
    BrokerUnavailableError
        Kafka can't be reached.
    """
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        linger_ms=_LINGER_MS,
        max_request_size=_MAX_REQUEST_BYTES,
    )
    try:
        await producer.start()
    except KafkaConnectionError as error:
        await producer.stop()
        raise unreachable(settings) from error
    try:
        yield producer
    finally:
        await producer.stop()


async def require_events_topic(settings: Settings, clock: Clock, on_retry: Callable[[str], None]) -> None:
    """Wait for the broker, and make sure that there is something to send to.

    Raises
    ------
    BrokerUnavailableError
        No answer within the configured time.
    TopicLayoutError
        The events topic does not exist.
    ConfigError
        Workers read it in a sender's form: events in ours would become dead letters.
    """
    if settings.events_mapping is not None:
        raise ConfigError(
            f"UBI_EVENTS_MAPPING = {settings.events_mapping}: the events topic is in a sender's form, and this command "
            "sends events in our own; send them to another topic (UBI_TOPIC_PREFIX), or unset it"
        )
    admin = await connect_admin(settings, clock, on_retry)
    try:
        if settings.events_topic not in await admin.list_topics():
            raise TopicLayoutError(f"topic {settings.events_topic} does not exist: run `ubi topics` first")
    finally:
        await admin.close()


async def send_all(
    records: Iterable[ProducerRecord],
    settings: Settings,
    clock: Clock,
    *,
    speed: Speed,
    on_progress: Callable[[SendReport], None] | None = None,
) -> SendReport:
    """Send the records to the events topic; every acknowledgement is awaited, also when it is cancelled.

    Raises
    ------
    BrokerUnavailableError, DeliveryError
        Kafka can't be reached, or did not take a record.
    """
    async with started_producer(settings) as producer:
        return await Sender(producer, settings.events_topic, clock, speed=speed, on_progress=on_progress).send(records)


def not_sent(rows: int, first: int) -> str:
    """Say that rows could not be sent."""
    where = f"; the first is row {first:,}" if first else ""
    return f"{counted(rows, 'row')} not sent: too large for Kafka, or empty{where}"
