"""Takes a person's label: onto the topic under the user's key, and back comes what the models made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec
from aiohttp import hdrs, web

from ubi_stream.clock import Clock
from ubi_stream.errors import DeliveryError
from ubi_stream.events.fields import RefusedError, read_id
from ubi_stream.events.verdict import Label, label_event, read_verdict
from ubi_stream.insights.encoding import iso_time
from ubi_stream.insights.model import Insight
from ubi_stream.metrics.status import StateLocation
from ubi_stream.runtime.label_replies import LabelKey
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemError, ProblemType, invalid, json_response, unavailable
from ubi_stream.web.rate import TokenBucket
from ubi_stream.web.routes import Answer, Body, Limit, Route, body_of
from ubi_stream.web.security.principal import WRITERS

MAX_LABEL_BYTES: Final = 16 * 1024
"""Ids, an author, and a note of 1,000 characters, each of them four bytes long and written as escapes."""
LABELS_PER_S: Final = 20.0
"""A person gives one every few seconds; scripts belong on the topic."""
LABELS_AT_ONCE: Final = 50
ANSWER_WITHIN_S: Final = 1.0
"""An idle worker answers within 50 ms; one that is behind answers later, on the insights topic."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_KEY = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,200})"?')
_SAID: Final = ("insight_id", "outcome", "label", "weight", "author", "note")
_NAMESPACE: Final = UUID("f1f6a6d2-6a2d-5a07-9a2b-6d5a5d0a9b11")


class LabelBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person says about an insight, or about a user."""

    user_id: str
    label: str | bool
    insight_id: str | None = None
    outcome: str | None = None
    weight: float = 1.0
    author: str | None = None
    note: str | None = None
    entity: str = "user"


class LabelAnswer(msgspec.Struct, frozen=True):
    """What a label brought about; `insight` is null while that is not known."""

    event_id: str
    status: str
    insight: LabelInsight | None


class LabelInsight(msgspec.Struct, frozen=True):
    """The insight of kind `label` that answers."""

    id: str
    at: str
    label: str | None
    summary: str
    evidence: dict[str, Any]


class Labels:
    """Route that takes labels; the worker that has the user's partition answers."""

    def __init__(self, port: WorkerPort, forwarder: Forwarder, clock: Clock) -> None:
        self._port = port
        self._forwarder = forwarder
        self._clock = clock
        self._bucket = TokenBucket(per_s=LABELS_PER_S, at_once=LABELS_AT_ONCE, clock=clock)
        self._keys = {entity.name: entity.key for entity in port.pack.entities}
        self._outcomes = [outcome.name for outcome in port.pack.outcomes]

    def routes(self) -> list[Route]:
        """Its row of the route table."""
        return [
            Route(
                "POST",
                "/api/v1/labels",
                self.take,
                "Takes what a person says about an insight",
                roles=WRITERS,
                scope="labels:write",
                body=Body(shows=LabelBody, max_bytes=MAX_LABEL_BYTES),
                answers=(Answer(LabelAnswer), Answer(LabelAnswer, HTTPStatus.ACCEPTED)),
                problems=(
                    ProblemType.UNKNOWN_ENTITY,
                    ProblemType.TOO_MANY_LABELS,
                    ProblemType.REBALANCING,
                    ProblemType.WORKER_UNREACHABLE,
                    ProblemType.BROKER_UNAVAILABLE,
                ),
                limit=Limit.WRITE,
                audited=True,
            )
        ]

    async def take(self, request: web.Request) -> web.Response:
        """Take one label: 200 with what it brought about, or 202 if that is not known within a second."""
        if not self._bucket.take():
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                ProblemType.TOO_MANY_LABELS,
                f"This worker takes {LABELS_PER_S:g} labels a second; send many of them to the events topic",
                headers={hdrs.RETRY_AFTER: "1"},
            )
        body = body_of(request)
        key, properties = self._read(body, request.headers)
        owner = self._port.locate(key.entity, key.entity_id)
        if owner.place is StateLocation.HERE:
            return await self._take_here(key, properties)
        if self._forwarder.may_ask(owner, request):
            kept = {name: request.headers[name] for name in (IDEMPOTENCY_KEY,) if name in request.headers}
            return await self._forwarder.post(owner, request, body, {hdrs.CONTENT_TYPE: "application/json", **kept})
        raise unavailable(
            ProblemType.REBALANCING, "Partitions are being handed out to workers; send it again", retry_after_s=1
        )

    def _read(self, body: bytes, headers: Mapping[str, str]) -> tuple[LabelKey, dict[str, Any]]:
        """Whom a label is about, and the properties of its event."""
        document = _read_document(body)
        entity = document.get("entity", "user")
        if not isinstance(entity, str) or entity not in self._keys:
            raise invalid(f"entity is not one of: {', '.join(self._keys)}")
        properties = {name: document[name] for name in _SAID if document.get(name) is not None}
        try:
            entity_id = read_id(document.get("user_id"), "user_id")
            verdict = read_verdict({"label": None, **properties}, self._outcomes)
        except RefusedError as refused:
            raise invalid(refused.message.replace("properties.", "")) from None
        assert verdict is not None, "what has a label is a verdict"
        return LabelKey(entity, entity_id, _event_id(entity_id, verdict, headers.get(IDEMPOTENCY_KEY))), properties

    async def _take_here(self, key: LabelKey, properties: dict[str, Any]) -> web.Response:
        if self._port.state_of(key.entity, key.entity_id) is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ENTITY, f"Nothing is known about this {key.entity}"
            )
        at_ms = self._clock.now_ms()
        event = label_event(key.event_id, at_ms, key.entity_id, properties, key=self._keys[key.entity])
        try:
            await self._port.send_command(key, event)
        except DeliveryError as error:
            raise unavailable(
                ProblemType.BROKER_UNAVAILABLE, "Kafka does not take the label now; send it again", retry_after_s=2
            ) from error
        return _answer(key, await self._port.label_answer(key, within_s=ANSWER_WITHIN_S))


def _read_document(body: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise invalid("The body is not JSON") from None
    if not isinstance(document, dict):
        raise invalid("The body is not an object")
    known = ("user_id", "entity", *_SAID)
    if unknown := document.keys() - set(known):
        raise invalid(f"There is no member {min(unknown)[:60]!r}; there are: {', '.join(known)}")
    return document


def _event_id(entity_id: str, verdict: Label, key: str | None) -> str:
    """Id of a label's event: by the caller's key, or by all that is said, so that sent twice it counts once."""
    if key is None:
        predicted = msgspec.json.encode((entity_id, verdict)).decode()
        return f"label/{uuid5(_NAMESPACE, predicted)}"
    found = _KEY.fullmatch(key)
    if found is None:
        raise invalid(f"{IDEMPOTENCY_KEY} is not 1 to 200 visible ASCII characters")
    return f"label/{found[1]}"


def _answer(key: LabelKey, insight: Insight | None) -> web.Response:
    if insight is None:
        found = f"/api/v1/users/{quote(key.entity_id, safe='')}/insights?entity={key.entity}"
        pending = LabelAnswer(key.event_id, "accepted", None)
        return json_response(pending, status=HTTPStatus.ACCEPTED, headers={hdrs.LOCATION: found})
    shown = LabelInsight(
        insight.id, iso_time(insight.at_ms), insight.label, insight.explanation.summary, insight.evidence
    )
    return json_response(LabelAnswer(key.event_id, insight.evidence["status"], shown))
