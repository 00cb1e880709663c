"""One entity: profile and forecast, from the memory of the worker that has it, and insights, from the database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web

from ubi_stream.models.forecast import MAX_HORIZON
from ubi_stream.packs.plan import compile_plan
from ubi_stream.runtime.status import Place
from ubi_stream.sinks.queries import MAX_PAGE, insights_of
from ubi_stream.state.model import UserState
from ubi_stream.web.forecast import forecast_model, forecast_of
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

        def answer(found: str, state: UserState) -> dict[str, Any]:
            features = self._port.features_of(kind, found, state.last_ms)
            return profile(self._plans[kind], found, state, features, self._port.visit_confidence(kind, found))

        return await self._of_its_worker(request, kind, {}, answer)

    async def forecast(self, request: web.Request) -> web.Response:
        """What a user will spend or do in the days ahead; asked of the worker that has its partition."""
        parameters = Parameters(request, ("entity", "target", "days"))
        kind = kind_of_entity(parameters, self._plans)
        model = forecast_model(
            self._port.pack,
            target=parameters.choice("target", ("amount", "events")),
            days=parameters.whole_number("days", 0, least=1, most=MAX_HORIZON),
        )

        def answer(found: str, state: UserState) -> dict[str, Any]:
            return forecast_of(self._plans[kind], found, state, model)

        asked = {"target": model.target, "days": str(model.horizon_days)}
        return await self._of_its_worker(request, kind, asked, answer)

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

    async def _of_its_worker(
        self, request: web.Request, kind: str, query: dict[str, str], answer: Callable[[str, UserState], dict[str, Any]]
    ) -> web.Response:
        """An answer made of the entity's state where that is: here, or at another worker."""
        found = entity_id(request)
        owner = self._port.locate(kind, found)
        if owner.place is Place.HERE:
            state = self._port.state_of(kind, found)
            if state is None:
                detail = f"Nothing is known about this {kind}"
                raise ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ENTITY, detail)
            return json_response(answer(found, state))
        if owner.place is Place.ELSEWHERE and owner.url is not None and HOP not in request.headers:
            asked = {"entity": kind, **query}
            return await self._forwarder.fetch(owner.url, request.rel_url, asked, current_request_id())
        raise unavailable(
            ProblemType.REBALANCING, "Partitions are being handed out to workers; ask again", retry_after_s=1
        )
