"""Merges one id into a user's profile, and splits it off again: commands on the events topic."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID, uuid5

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.clock import Clock
from ubi_stream.errors import DeliveryError
from ubi_stream.events.fields import RefusedError
from ubi_stream.events.identity import identity_event, read_identity
from ubi_stream.events.limits import MAX_ID_BYTES
from ubi_stream.events.validate import Validator
from ubi_stream.packs.schema import ALIAS_TYPE, PREVIOUS_ID, SPLIT_TYPE
from ubi_stream.runtime.label_replies import LabelKey
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemType, invalid, json_response, unavailable
from ubi_stream.web.query import entity_id
from ubi_stream.web.routes import Answer, Body, Handler, Limit, Route, document_of
from ubi_stream.web.security.principal import WRITERS

_NAMESPACE: Final = UUID("0c0c1d5e-57a5-5b61-9a3f-1d1a3c9e8d10")


class IdentityBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another id of a user."""

    previous_id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES, description="The id that goes")]


class CommandTaken(msgspec.Struct, frozen=True):
    """Says that a command is on the events topic."""

    event_id: str


class Identities:
    """Routes that say which ids are one user. Any worker takes them: the topic has them in order."""

    def __init__(self, port: WorkerPort, clock: Clock) -> None:
        self._port = port
        self._clock = clock
        self._required = Validator.of(port.pack).required_id

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        return [
            _route("merge", self.merge, "Merges the profile of another id into a user's"),
            _route("split", self.split, "Undoes the merge of an id into a user's profile"),
        ]

    async def merge(self, request: web.Request) -> web.Response:
        """Put a merge on the topic: 202 with the id of its event."""
        return await self._take(request, ALIAS_TYPE)

    async def split(self, request: web.Request) -> web.Response:
        """Put a split on the topic: 202 with the id of its event."""
        return await self._take(request, SPLIT_TYPE)

    async def _take(self, request: web.Request, event_type: str) -> web.Response:
        user_id, previous_id = entity_id(request), document_of(request, IdentityBody).previous_id
        try:
            read_identity(event_type, self._required(user_id, "user_id"), {PREVIOUS_ID: previous_id}, self._required)
        except RefusedError as refused:
            raise invalid(refused.message) from None
        at_ms = self._clock.now_ms()
        event_id = str(uuid5(_NAMESPACE, f"{event_type} {user_id} {previous_id} {at_ms}"))
        value = identity_event(event_type, event_id, at_ms, user_id, previous_id)
        try:
            await self._port.send_command(LabelKey("user", previous_id, event_id), value)
        except DeliveryError as error:
            raise unavailable(
                ProblemType.BROKER_UNAVAILABLE, "Kafka does not take the command now; send it again", retry_after_s=2
            ) from error
        return json_response(CommandTaken(event_id), status=HTTPStatus.ACCEPTED)


def _route(action: str, handler: Handler, summary: str) -> Route:
    return Route(
        "POST",
        f"/api/v1/users/{{id}}/{action}",
        handler,
        summary,
        roles=WRITERS,
        scope="users:write",
        body=Body(type=IdentityBody, max_bytes=4096),
        answers=(Answer(CommandTaken, HTTPStatus.ACCEPTED),),
        problems=(ProblemType.BROKER_UNAVAILABLE,),
        limit=Limit.WRITE,
        audited=True,
    )
