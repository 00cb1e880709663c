"""Gives a label to a worker or to Kafka, and waits for what it brings about."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError, DeliveryError, WorkerUnavailableError
from ubi_stream.events.fields import RefusedError, read_id
from ubi_stream.events.verdict import label_event, read_verdict
from ubi_stream.insights.model import InsightKind
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.servers import key_headers
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.sending import started_producer
from ubi_stream.runtime.label_replies import labels_topic
from ubi_stream.settings import Settings
from ubi_stream.web.views.labels import LabelBody

_AGAIN: Final = frozenset((202, 429, 503))
"""Answers after which the same label is sent again: it counts once."""
_PAUSE_S: Final = 0.25
_REQUEST_S: Final = 10.0


async def by_worker(request: LabelBody, url: str, key: str, *, within_s: float) -> dict[str, Any]:
    """Send a label to a worker's API, again until it is answered or the time is over; returns the newest answer.

    Raises
    ------
    WorkerUnavailableError
        Nobody answers there, or not now.
    ConfigError
        The label, or the address, is wrong.
    """
    headers = {"Content-Type": "application/json", "Idempotency-Key": key, **key_headers()}
    body = msgspec.json.encode(request)
    end_s = asyncio.get_running_loop().time() + within_s
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_REQUEST_S)) as http:
        while True:
            try:
                async with http.post(f"{url.rstrip('/')}/api/v1/labels", data=body, headers=headers) as response:
                    status, answer = response.status, await response.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise WorkerUnavailableError(
                    f"no worker answers at {url} ({type(error).__name__}): name one by --web-url, or Kafka by --broker"
                ) from error
            if status not in _AGAIN or asyncio.get_running_loop().time() >= end_s:
                return _read(status, answer, url)
            await asyncio.sleep(_PAUSE_S)


async def by_kafka(
    request: LabelBody, settings: Settings, event_id: str, clock: Clock, *, within_s: float
) -> dict[str, Any]:
    """Put a label on the topic, and read what it brings about from the insights topic, in the form of the API.

    Raises
    ------
    BrokerUnavailableError, DeliveryError
        Kafka can't be reached, or did not take the label.
    ConfigError
        The label is wrong.
    """
    pack = load_pack(settings.pack)
    keys = {entity.name: entity.key for entity in pack.entities}
    if request.entity not in keys:
        raise ConfigError(f"entity = {request.entity}: expected one of {', '.join(keys)}")
    properties = {
        name: value for name, value in msgspec.to_builtins(request).items() if name not in ("user_id", "entity")
    }
    try:
        read_id(request.user_id, "user_id")
        read_verdict(properties, [outcome.name for outcome in pack.outcomes])
    except RefusedError as refused:
        raise ConfigError(refused.message.replace("properties.", "")) from refused
    value = label_event(event_id, clock.now_ms(), request.user_id, properties, key=keys[request.entity])
    async with started_producer(settings) as producer:
        insights = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
        try:
            await insights.start()
            await seek_to_end(insights, settings)
            sent = await producer.send(
                labels_topic(settings, request.entity), value=value, key=request.user_id.encode()
            )
            await sent
            data = await find_insight(insights, InsightKind.LABEL, event_id, within_s)
            if data is None:  # a worker that is down will come to it
                return {"event_id": event_id, "status": "accepted", "insight": None}
            return {"event_id": event_id, "status": data["evidence"]["status"], "insight": shown(data)}
        except KafkaError as error:
            raise DeliveryError(f"Kafka did not take the label ({type(error).__name__})") from error
        finally:
            await insights.stop()


def _read(status: int, answer: Any, url: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or (status < 400 and "status" not in answer):
        raise WorkerUnavailableError(f"what answers at {url} is no worker")
    if status < 400:
        return answer
    message = f"the worker at {url} says: {answer.get('detail', status)}"
    raise WorkerUnavailableError(message) if status >= 429 else ConfigError(message)


async def seek_to_end(consumer: AIOKafkaConsumer, settings: Settings, *more: str) -> None:
    """Read the insights topic, and `more` topics, from here on."""
    topics = (settings.insights_topic, *more)
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
    consumer.assign(partitions)
    for partition, offset in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, offset)


async def find_insight(
    insights: AIOKafkaConsumer, kind: InsightKind, event_id: str, within_s: float
) -> dict[str, Any] | None:
    """The insight that an event brings about, from those that come now; None if none comes in time."""
    try:
        async with asyncio.timeout(within_s):
            async for record in insights:
                data: dict[str, Any] = msgspec.json.decode(record.value)["data"]
                if data["kind"] == kind and data["trace_id"] == event_id:
                    return data
    except TimeoutError:
        pass
    return None


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """An insight as answers have it."""
    members = {name: data[name] for name in ("id", "at", "label")}
    return members | {"summary": data["explanation"]["summary"], "evidence": data["evidence"]}
