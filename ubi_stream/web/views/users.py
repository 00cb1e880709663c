"""One entity: its profile, from the memory of the worker that has it, and its insights, from the database."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from aiohttp import web

from ubi_stream.packs.plan import compile_plan
from ubi_stream.runtime.status import Place
from ubi_stream.sinks.queries import MAX_PAGE, insights_of
from ubi_stream.web.forward import HOP, Forwarder
from ubi_stream.web.middleware.request_id import current_request_id
from ubi_stream.web.parameters import Parameters, entity_id, kind_of_entity
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemError, ProblemType, json_response, unavailable
from ubi_stream.web.profile import profile
from ubi_stream.web.reader import Reader
from ubi_stream.web.views.insights import DEFAULT_PAGE


class Users:
    """Routes below `/api/v1/users/{id}`."""

    def __init__(self, port: WorkerPort, reader: Reader, forwarder: Forwarder) -> None:
        self._port = port
        self._reader = reader
        self._forwarder = forwarder
        self._plans = {entity.name: compile_plan(port.pack, entity.name) for entity in port.pack.entities}

    async def profile(self, request: web.Request) -> web.Response:
        """What is known about an entity; asked of the worker that has its partition."""
        kind = kind_of_entity(Parameters(request, ("entity",)), self._plans)
        found = entity_id(request)
        owner = self._port.locate(kind, found)
        if owner.place is Place.HERE:
            return self._own_profile(kind, found)
        if owner.place is Place.ELSEWHERE and owner.url is not None and HOP not in request.headers:
            return await self._forwarder.fetch(owner.url, request.rel_url, {"entity": kind}, current_request_id())
        raise unavailable(
            ProblemType.REBALANCING, "Partitions are being handed out to workers; ask again", retry_after_s=1
        )

    async def insights(self, request: web.Request) -> web.Response:
        """One page of the insights about an entity, newest first."""
        parameters = Parameters(request, ("entity", "limit", "cursor"))
        query = partial(
            insights_of,
            user_id=entity_id(request),
            entity=kind_of_entity(parameters, self._plans),
            limit=parameters.whole_number("limit", DEFAULT_PAGE, least=1, most=MAX_PAGE),
            cursor=parameters.text("cursor"),
        )
        return json_response(await self._reader.ask(query))

    def _own_profile(self, kind: str, found: str) -> web.Response:
        state = self._port.state_of(kind, found)
        if state is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ENTITY, f"Nothing is known about this {kind}")
        features = self._port.features_of(kind, found, state.last_ms)
        return json_response(profile(self._plans[kind], found, state, features))
