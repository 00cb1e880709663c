"""One entity: profile and forecast, from the memory of the worker that has it, and insights, from the database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from ubi_stream.metrics.status import StateLocation
from ubi_stream.models.forecast import MAX_HORIZON
from ubi_stream.packs.plan import compile_plan
from ubi_stream.sinks.queries import MAX_PAGE, InsightPage, insights_of
from ubi_stream.state.model import UserState
from ubi_stream.web.forecast import forecast_model, forecast_of
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemError, ProblemType, json_response, unavailable
from ubi_stream.web.profile import profile
from ubi_stream.web.query import entity_id, one_of
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Handler, Route, query_of
from ubi_stream.web.security.principal import OWN_READERS
from ubi_stream.web.views.insights import DEFAULT_PAGE

_Entity = Annotated[str, Meta(description="Kind of entity that the id is of")]


class ProfileQuery(msgspec.Struct, frozen=True):
    """Parameters of a profile."""

    entity: _Entity = "user"


class ForecastQuery(msgspec.Struct, frozen=True):
    """Parameters of a forecast."""

    entity: _Entity = "user"
    target: Annotated[Literal["amount", "events"] | None, Meta(description="The pack's unless given")] = None
    days: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_HORIZON)] | None, Meta(description="Days ahead; the pack's unless given")
    ] = None


class InsightsOfQuery(msgspec.Struct, frozen=True):
    """Parameters of the insights about an entity."""

    entity: _Entity = "user"
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Insights of a page")] = DEFAULT_PAGE
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before")] = None


class MergedInto(msgspec.Struct, frozen=True):
    """Says that a profile was merged into another's."""

    id: str
    merged_into: str


class Users:
    """Routes below `/api/v1/users/{id}`."""

    def __init__(self, port: WorkerPort, reader: Reader, forwarder: Forwarder) -> None:
        self._port = port
        self._reader = reader
        self._forwarder = forwarder
        self._plans = {entity.name: compile_plan(port.pack, entity.name) for entity in port.pack.entities}

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        state = (Answer(dict[str, Any]), Answer(MergedInto, HTTPStatus.TEMPORARY_REDIRECT))
        found = (ProblemType.UNKNOWN_ENTITY, ProblemType.REBALANCING, ProblemType.WORKER_UNREACHABLE)
        stored = (ProblemType.DATABASE_UNAVAILABLE,)
        page = (Answer(InsightPage),)
        return [
            _route("", self.profile, "Profile of one user", "users:read", ProfileQuery, state, found),
            _route("/insights", self.insights, "Insights about one user", "insights:read", InsightsOfQuery, page,
                   stored),
            _route("/forecast", self.forecast, "What a user will spend or do in the days ahead", "users:read",
                   ForecastQuery, state, found),
        ]  # fmt: skip

    async def profile(self, request: web.Request) -> web.Response:
        """What is known about an entity; asked of the worker that has its partition."""
        kind = one_of("entity", query_of(request, ProfileQuery).entity, self._plans)

        def answer(found: str, state: UserState) -> dict[str, Any]:
            features = self._port.features_of(kind, found, state.last_ms)
            return profile(self._plans[kind], found, state, features, self._port.visit_confidence(kind, found))

        return await self._of_its_worker(request, kind, {}, answer)

    async def forecast(self, request: web.Request) -> web.Response:
        """What a user will spend or do in the days ahead; asked of the worker that has its partition."""
        asked = query_of(request, ForecastQuery)
        kind = one_of("entity", asked.entity, self._plans)
        model = forecast_model(self._port.pack, target=asked.target, days=asked.days or 0)

        def answer(found: str, state: UserState) -> dict[str, Any]:
            return forecast_of(self._plans[kind], found, state, model)

        passed = {"target": model.target, "days": str(model.horizon_days)}
        return await self._of_its_worker(request, kind, passed, answer)

    async def insights(self, request: web.Request) -> web.Response:
        """One page of the insights about an entity, newest first."""
        asked = query_of(request, InsightsOfQuery)
        query = partial(
            insights_of,
            user_id=entity_id(request),
            entity=one_of("entity", asked.entity, self._plans),
            limit=asked.limit,
            cursor=asked.cursor,
        )
        return json_response(await self._reader.ask(query))

    async def _of_its_worker(
        self, request: web.Request, kind: str, query: dict[str, str], answer: Callable[[str, UserState], dict[str, Any]]
    ) -> web.Response:
        """An answer made of the entity's state where that is: here, or at another worker."""
        found = entity_id(request)
        owner = self._port.locate(kind, found)
        if owner.place is StateLocation.HERE:
            state = self._port.state_of(kind, found)
            if state is None:
                detail = f"Nothing is known about this {kind}"
                raise ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ENTITY, detail)
            if state.merged_into:
                return _merged(request, found, state.merged_into)
            return json_response(answer(found, state))
        if self._forwarder.may_ask(owner, request):
            return await self._forwarder.fetch(owner, request, {"entity": kind, **query})
        raise unavailable(
            ProblemType.REBALANCING, "Partitions are being handed out to workers; ask again", retry_after_s=1
        )


def _merged(request: web.Request, found: str, user_id: str) -> web.Response:
    """Where the profile is that the one which was asked for was merged into: the same route with the user's id."""
    before, _, rest = request.rel_url.raw_path.partition("/users/")
    _, slash, rest = rest.partition("/")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    location = f"{before}/users/{quote(user_id, safe='')}{slash}{rest}{query}"
    return json_response(
        MergedInto(found, user_id), status=HTTPStatus.TEMPORARY_REDIRECT, headers={hdrs.LOCATION: location}
    )


def _route(
    rest: str,
    handler: Handler,
    summary: str,
    scope: str,
    query: type[msgspec.Struct],
    answers: tuple[Answer, ...],
    problems: tuple[ProblemType, ...],
) -> Route:
    return Route(
        "GET",
        f"/api/v1/users/{{id}}{rest}",
        handler,
        summary,
        roles=OWN_READERS,
        scope=scope,
        query=query,
        answers=answers,
        problems=problems,
        own="path:id",
        audited=True,
    )
