"""Puts an erasure on the events topic, and waits for its receipt."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError, DeliveryError
from ubi_stream.events.erase import erase_event
from ubi_stream.events.fields import RefusedError, read_id
from ubi_stream.insights.model import InsightKind
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.labelling import find_insight, seek_to_end, shown
from ubi_stream.replay.sending import started_producer
from ubi_stream.settings import Settings


async def erase_user(
    user_id: str, settings: Settings, event_id: str, clock: Clock, *, within_s: float
) -> dict[str, Any]:
    """Have a user erased; returns the receipt as `insight`, None if it does not come in time.

    Raises
    ------
    BrokerUnavailableError, DeliveryError
        Kafka can't be reached, or did not take the command.
    ConfigError
        There can be no such id.
    """
    try:
        read_id(user_id, "user_id")
    except RefusedError as refused:
        raise ConfigError(refused.message) from refused
    async with started_producer(settings) as producer:
        insights = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
        try:
            await insights.start()
            await seek_to_end(insights, settings)
            value = erase_event(event_id, clock.now_ms(), user_id)
            await (await producer.send(settings.events_topic, value=value, key=user_id.encode()))
            receipt = await find_insight(insights, InsightKind.ERASURE, event_id, within_s)
        except KafkaError as error:
            raise DeliveryError(f"Kafka did not take the erasure ({type(error).__name__})") from error
        finally:
            await insights.stop()
    return {"event_id": event_id, "insight": None if receipt is None else shown(receipt)}
