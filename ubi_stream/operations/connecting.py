"""Helps to connect a sender: what to set in its SDK, and what becomes of the first event that it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from ubi_stream.collector.repair import decode_letter
from ubi_stream.errors import BrokerUnavailableError, ConfigError, WorkerUnavailableError
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.labelling import seek_to_end
from ubi_stream.operations.servers import ask_worker, entity_path
from ubi_stream.settings import Settings

SNIPPETS: Final = {
    "segment": 'from segment.analytics.client import Client\n\nclient = Client("{key}", host="{url}")\n'
    'client.track("u-1", "Product Viewed", {{"price": 19.9, "category": "hats"}})\nclient.flush()',
    "rudder": 'import rudderstack.analytics as rudder\n\nrudder.write_key = "{key}"\nrudder.dataPlaneUrl = "{url}"\n'
    'rudder.track("u-1", "Product Viewed", {{"price": 19.9, "category": "hats"}})\nrudder.flush()',
    "posthog": 'from posthog import Posthog\n\nclient = Posthog("{key}", host="{url}")\n'
    'client.capture("product_viewed", distinct_id="u-1", properties={{"price": 19.9}})\nclient.shutdown()',
    "snowplow": "from snowplow_tracker import Snowplow, StructuredEvent, Subject\n\n"
    'tracker = Snowplow.create_tracker("shop", "{url}", app_id="{key}", subject=Subject().set_user_id("u-1"))\n'
    'tracker.track(StructuredEvent("shop", "product_view", property_="p-1"))\ntracker.flush()',
    "ubi": 'curl -X POST \'{url}/ubi_events?access_token={key}\' -d \'[{{"action_name": "click", '
    '"timestamp": "\'$(date -u +%FT%TZ)\'", "client_id": "u-1", '
    '"event_attributes": {{"object": {{"object_id": "p-1"}}, "position": {{"ordinal": 1}}}}}}]\'',
    "cloudevents": "curl -X POST {url}/api/v1/cloudevents -H 'Authorization: Bearer {key}' -H 'ce-specversion: 1.0' "
    "-H \"ce-id: $(date +%s)\" -H 'ce-source: /shop' -H 'ce-type: com.example.view' "
    '-d \'{{"user_id": "u-1", "price": 19.9}}\'',
    "curl": "curl -X POST {url}/api/v1/events -H 'Authorization: Bearer {key}' "
    '-d \'{{"event_type": "view", "user_id": "u-1", "event_time": "\'$(date -u +%FT%TZ)\'"}}\'',
}
"""What to run, by the sender's name."""

FIXES: Final = {
    "unknown_event_type": "map the name to a type of the pack (UBI_SOURCE_MAPPINGS names a mapping of your own), or "
    "add the type to the pack",
    "missing_field": "send the field",
    "wrong_type": "send the type that the message names",
    "invalid_value": "send a value that is possible; the message says what was expected",
    "too_large": "send less, or a reference",
    "too_deep": "flatten the event",
    "time_in_future": "look at the sender's clock, or send when it was sent",
    "time_too_old": "send milliseconds, or raise the pack's max_age_days",
    "malformed_json": "look at the sender's serializer",
    "processing_error": "report the fault",
}
"""What to do about a rejected event, by its reason."""

_POLL_MS: Final = 200
_INSIGHT_S: Final = 5.0
"""A first event rarely brings an insight; nobody waits longer for one."""


class Step(msgspec.Struct, frozen=True):
    """Something that happened to what the sender sent.

    Attributes
    ----------
    kind
        `event`, `profile`, `insight` or `rejected`.
    at_ms
        When, by the broker's clock, or by that of this machine for a profile.
    """

    kind: str
    at_ms: int
    text: str
    user_id: str = ""
    reason: str = ""


def snippet(name: str, url: str, key: str) -> str:
    """What to run so that this sender sends its first event to us.

    >>> snippet("rudder", "http://localhost:8088", "k").splitlines()[2:4]
    ['rudder.write_key = "k"', 'rudder.dataPlaneUrl = "http://localhost:8088"']
    """
    return SNIPPETS[name].format(url=url, key=key)


async def watch(
    settings: Settings,
    url: str,
    on_step: Callable[[Step], None],
    now_ms: Callable[[], int],
    *,
    user_id: str | None,
    within_s: float,
) -> bool:
    """Wait for the first event from now on; tell what becomes of it. Returns whether one came.

    Parameters
    ----------
    url
        Views of a worker: where the profile is read from.
    user_id
        Whose event is meant; None for anybody's.

    Raises
    ------
    BrokerUnavailableError
        Kafka can't be reached.
    """
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        await seek_to_end(consumer, settings, settings.events_topic, settings.dead_letters_topic)
        return await _Watch(settings, url, on_step, now_ms, user_id).run(consumer, within_s)
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka at {settings.broker} does not answer ({type(error).__name__})") from error
    finally:
        await consumer.stop()


class _Watch:
    """Looks for the first event, then for its profile and its insight."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        on_step: Callable[[Step], None],
        now_ms: Callable[[], int],
        user_id: str | None,
    ) -> None:
        self._settings, self._url = settings, url
        self._on_step, self._now_ms = on_step, now_ms
        self._wanted = user_id
        self._found: str | None = None
        self._done = False

    async def run(self, consumer: AIOKafkaConsumer, within_s: float) -> bool:
        if not await self._until(consumer, lambda: self._found is not None, within_s):
            return False
        profile = asyncio.create_task(self._profile())
        try:
            await self._until(consumer, lambda: self._done, _INSIGHT_S)
        finally:
            if not profile.done():
                profile.cancel()
            await asyncio.gather(profile, return_exceptions=True)
        return True

    async def _until(self, consumer: AIOKafkaConsumer, over: Callable[[], bool], within_s: float) -> bool:
        end_s = asyncio.get_running_loop().time() + within_s
        while not over() and asyncio.get_running_loop().time() < end_s:
            for place, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                for record in records:
                    self._look(place.topic, record)
        return over()

    def _look(self, topic: str, record: Any) -> None:
        if topic == self._settings.dead_letters_topic:
            letter = decode_letter(record.value)
            if letter.source.topic.startswith("collector/"):
                text = f"{letter.reason} at {letter.path}: {letter.message}"
                self._on_step(Step("rejected", record.timestamp, text, reason=letter.reason))
            return
        document = _document(record.value)
        if topic == self._settings.events_topic and self._found is None:
            user_id = str(document.get("user_id"))
            if self._wanted in (None, user_id):
                self._found = user_id
                text = f"{document.get('event_type')} of {user_id}, id {document.get('event_id')}"
                self._on_step(Step("event", record.timestamp, text, user_id))
        elif topic == self._settings.insights_topic and self._found is not None and not self._done:
            data = document.get("data", {})
            if data.get("user_id") == self._found:
                self._done = True
                self._on_step(Step("insight", record.timestamp, str(data["explanation"]["summary"]), self._found))

    async def _profile(self) -> None:
        """Ask for the profile until it is there."""
        assert self._found is not None, "the event comes first"
        while (text := await self._described(self._found)) is None:  # noqa: ASYNC110 - nothing tells that it is there
            await asyncio.sleep(_POLL_MS / 1000)
        self._on_step(Step("profile", self._now_ms(), text, self._found))

    async def _described(self, user_id: str) -> str | None:
        """A profile in a line; None while there is none."""
        try:
            profile = await ask_worker(self._url, entity_path(user_id))
        except WorkerUnavailableError:
            return None
        except ConfigError as error:  # a key that only writes events reads no profile
            return str(error)
        if profile is None:
            return None
        segment = profile["segment"]["name"] if profile.get("segment") else "no segment yet"
        return f"events: {profile['counters']['events']}, segment: {segment}"


def _document(value: bytes | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(value or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
