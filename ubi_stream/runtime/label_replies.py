"""Puts people's labels on the topic, and hands on what they brought about to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from ubi_stream.errors import DeliveryError
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.kafka.outbox import Outbox
from ubi_stream.settings import Settings

KEPT_ANSWERS: Final = 1_000
"""Newest answers that are kept for who asks again: a minute of the most labels that the API takes."""
TAKEN_WITHIN_S: Final = 3.0
"""A broker that works takes a record within milliseconds; a person does not wait longer."""


class LabelKey(NamedTuple):
    """What a label is known by: its event's id, under the id of its entity."""

    entity: str
    entity_id: str
    event_id: str


def labels_topic(settings: Settings, entity: str) -> str:
    """Where labels of a kind of entity go: into the one topic that its events come by."""
    return settings.events_topic if entity == "user" else settings.repartition_topic(entity)


class LabelReplies:
    """The way of a person's label through a worker: out to the topic, and its answer back from the lane."""

    def __init__(self, settings: Settings, outbox: Outbox) -> None:
        self._settings = settings
        self._outbox = outbox
        self._answers: OrderedDict[LabelKey, Insight] = OrderedDict()
        self._waiting: dict[LabelKey, set[asyncio.Future[Insight]]] = {}

    async def send(self, key: LabelKey, value: bytes) -> None:
        """Put a label's event on the topic; returns when the broker has it.

        Raises
        ------
        DeliveryError
            The broker did not say so within `TAKEN_WITHIN_S`: it may have the label all the same. Sent again with the
            same id it counts once.
        """
        topic = labels_topic(self._settings, key.entity)
        sending = asyncio.ensure_future(self._outbox.send(topic, key.entity_id.encode(), value))
        try:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                await asyncio.shield(await asyncio.shield(sending))
        except (KafkaError, TimeoutError) as error:
            raise DeliveryError(f"Kafka did not take a label within {TAKEN_WITHIN_S:g} s") from error

    def note(self, insights: Iterable[Insight]) -> None:
        """Look for answers among the insights of a batch; those about a user who is erased go."""
        for insight in insights:
            if insight.kind is InsightKind.ERASURE:
                erased = (insight.entity, insight.user_id)
                for key in [key for key in self._answers if (key.entity, key.entity_id) == erased]:
                    del self._answers[key]
            if insight.kind is not InsightKind.LABEL or insight.trace_id is None:
                continue
            key = LabelKey(insight.entity, insight.user_id, insight.trace_id)
            self._answers[key] = insight
            if len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
            for waiting in self._waiting.pop(key, ()):
                if not waiting.done():
                    waiting.set_result(insight)

    async def answer(self, key: LabelKey, *, within_s: float) -> Insight | None:
        """What a label brought about, also if it came twice; None if that is not known within the time."""
        if key in self._answers:
            return self._answers[key]
        waiting: asyncio.Future[Insight] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(waiting)
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            return None
        finally:
            waiters = self._waiting.get(key, set())
            waiters.discard(waiting)
            if not waiters:
                self._waiting.pop(key, None)
