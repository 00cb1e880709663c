"""Routes that take events, in the form of each tracking SDK and in our own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import hdrs, web

from ubi_stream.clock import Clock
from ubi_stream.collector import replies
from ubi_stream.collector.bodies import MAX_BODY_BYTES, MAX_DECODED_BYTES
from ubi_stream.collector.delivery import OverloadedError
from ubi_stream.collector.dialects.cloudevents import is_cloudevent
from ubi_stream.collector.intake import Accepted, Left, Outcome, Rejected
from ubi_stream.collector.keys import app_key, body_key
from ubi_stream.collector.registry import (
    CLOUDEVENTS,
    DIALECTS,
    OPENSEARCH_UBI,
    OWN,
    POSTHOG,
    RECOMMENDATION_INTERACTION,
    SEGMENT,
    SNOWPLOW,
    TRANSACTION,
    Dialect,
)
from ubi_stream.collector.replies import Reply
from ubi_stream.collector.request import BadRequestError, CollectorRequest
from ubi_stream.collector.service import Collector, Receipt, rejection
from ubi_stream.errors import DeliveryError
from ubi_stream.web.middleware.request_id import HEADER as REQUEST_ID
from ubi_stream.web.problems import ProblemError, ProblemType, invalid, json_response, problem_response, unavailable
from ubi_stream.web.routes import ANYBODY, Answer, AnyQuery, Body, Limit, Method, Route, body_of, principal_of, query_of
from ubi_stream.web.security.principal import INGESTERS, Role

_INGEST_BODY: Final = Body(
    media_types=(),
    max_bytes=MAX_BODY_BYTES,
    max_decoded_bytes=MAX_DECODED_BYTES,
    encodings=("gzip", "deflate", "zstd"),
    within_s=30.0,
)
_BUSY_RETRY_S: Final = 1
_BROKER_RETRY_S: Final = 2
_PREFLIGHT_S: Final = 86_400
_SEGMENT_CALLS: Final = ("track", "page", "screen", "identify", "group", "alias", "t", "p", "s", "i", "g", "a")
_POSTHOG_V0: Final = ("/batch", "/capture", "/e", "/track", "/engage", "/i/v0/e")
_TP2: Final = "/com.snowplowanalytics.snowplow/tp2"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rejection(msgspec.Struct, frozen=True):
    """A call that was set aside: its place, why, where, and what was expected."""

    index: int
    reason: str
    path: str
    message: str


class Collected(msgspec.Struct, frozen=True):
    """What became of the calls of a request. `event_ids` are those of all events that Kafka has, the known ones too."""

    accepted: int
    duplicates: int
    ignored: int
    rejected: list[Rejection]
    event_ids: list[str]


class Checked(msgspec.Struct, frozen=True):
    """What would become of the calls of a request: `events` as they would be processed, null for the others."""

    valid: bool
    events: list[dict[str, Any] | None]
    ignored: list[dict[str, Any]]
    rejected: list[Rejection]


class CheckQuery(msgspec.Struct, frozen=True):
    """Which dialect a body is checked as."""

    dialect: str = OWN.name


class _Entry(NamedTuple):
    """Routes of one dialect that are answered in one way."""

    dialect: Dialect
    answer: replies.Answer
    paths: tuple[str, ...]
    summary: str
    media_type: str = replies.JSON
    answer_type: Any = None
    methods: tuple[Method, ...] = ("POST",)


def _both(*paths: str) -> tuple[str, ...]:
    """Each path, and the same with a slash at its end."""
    return tuple(form for path in paths for form in (path, f"{path}/"))


_ENTRIES: Final = (
    _Entry(
        SEGMENT,
        replies.segment,
        _both(*(f"/v1/{one}" for one in ("batch", "import", "b", *_SEGMENT_CALLS)), "/beacon/v1/batch"),
        "Takes calls of Segment's and RudderStack's libraries",
    ),
    _Entry(
        SEGMENT,
        replies.pixel,
        _both("/pixel/v1/track", "/pixel/v1/page"),
        "Takes a call in the query of a picture",
        "image/gif",
        methods=("GET",),
    ),
    _Entry(
        POSTHOG,
        replies.posthog_v1,
        _both("/i/v1/analytics/events"),
        "Takes events of PostHog's libraries, with a result for each",
    ),
    _Entry(POSTHOG, replies.posthog_v0, _both(*_POSTHOG_V0), "Takes events of PostHog's libraries"),
    _Entry(SNOWPLOW, replies.text_ok, _both(_TP2), "Takes payloads of Snowplow's trackers", "text/plain"),
    _Entry(
        SNOWPLOW,
        replies.pixel,
        ("/i",),
        "Takes an event in the query of a picture",
        "image/gif",
        methods=("GET",),
    ),
    _Entry(
        OPENSEARCH_UBI,
        replies.own,
        _both("/ubi_events", "/ubi_queries", "/ubi_events/_doc", "/ubi_queries/_doc"),
        "Takes events and queries of OpenSearch User Behavior Insights",
    ),
    _Entry(CLOUDEVENTS, replies.own, ("/api/v1/cloudevents",), "Takes CloudEvents", answer_type=Collected),
)


class CollectorViews:
    """Routes of the collector.

    Parameters
    ----------
    origins
        Origins of pages whose browsers may send; "*" for any.
    """

    def __init__(self, collector: Collector, clock: Clock, *, origins: str = "*") -> None:
        self._collector = collector
        self._clock = clock
        self._origins = frozenset(one.strip() for one in origins.split(",") if one.strip())

    def routes(self) -> list[Route]:
        """All rows of the route table: own ones first, then those of each dialect, then preflights."""
        own = [
            self._route(
                "POST",
                ("/api/v1/events", "/api/realtime/events", "/api/profiles/interactions"),
                self._take_own,
                "Takes events in our own form, one or a list; a CloudEvent too",
                answer_type=Collected,
            ),
            Route(
                "POST",
                "/api/v1/events/validate",
                self._check,
                summary="Says what would become of events, and sends nothing",
                roles=INGESTERS | {Role.ANALYST},
                scope="events:write",
                query=CheckQuery,
                body=_INGEST_BODY,
                answers=(Answer(Checked),),
                limit=Limit.WRITE,
                errors=self._error,
            ),
            self._route(
                "POST",
                ("/financial/track-transaction-event",),
                self._taker(TRANSACTION, replies.own),
                "Takes a transaction",
                answer_type=Collected,
            ),
            self._route(
                "POST",
                ("/coaching/recommendation-interaction",),
                self._taker(RECOMMENDATION_INTERACTION, replies.own),
                "Takes what a user does with a recommendation",
                answer_type=Collected,
            ),
        ]
        dialects = [
            self._route(
                method,
                entry.paths,
                self._taker(entry.dialect, entry.answer),
                entry.summary,
                media_type=entry.media_type,
                answer_type=entry.answer_type,
            )
            for entry in _ENTRIES
            for method in entry.methods
        ]
        return [*own, *dialects, *map(self._preflight, (*own, *dialects))]

    def _route(
        self,
        method: Method,
        paths: tuple[str, ...],
        handler: Handler,
        summary: str,
        *,
        media_type: str = replies.JSON,
        answer_type: Any = None,
    ) -> Route:
        return Route(
            method,
            paths[0],
            handler,
            summary=summary,
            roles=INGESTERS,
            scope="events:write",
            query=AnyQuery,
            body=_INGEST_BODY if method == "POST" else None,
            answers=(Answer(answer_type, media_type=media_type),),
            problems=(ProblemType.BROKER_UNAVAILABLE, ProblemType.TOO_MANY_EVENTS),
            limit=Limit.INGEST,
            find_key=_find_key,
            errors=self._error,
            also=paths[1:],
        )

    def _preflight(self, route: Route) -> Route:
        return Route(
            "OPTIONS",
            route.path,
            self._allow,
            summary="Tells a browser what it may send",
            roles=ANYBODY,
            query=AnyQuery,
            answers=(Answer(status=204),),
            limit=Limit.PUBLIC,
            also=route.also,
        )

    def _taker(self, dialect: Dialect, answer: replies.Answer) -> Handler:
        async def take(request: web.Request) -> web.Response:
            return await self._take(request, dialect, answer)

        return take

    async def _take_own(self, request: web.Request) -> web.Response:
        dialect = CLOUDEVENTS if is_cloudevent(self._read(request)) else OWN
        return await self._take(request, dialect, replies.own)

    async def _take(self, request: web.Request, dialect: Dialect, answer: replies.Answer) -> web.Response:
        source = self._source(request)
        try:
            receipt = await self._collector.take(dialect, self._read(request), source)
        except BadRequestError as error:
            raise _unreadable(error) from None
        except OverloadedError as error:
            raise unavailable(
                ProblemType.TOO_MANY_EVENTS,
                "More events wait for Kafka than may; send these again",
                retry_after_s=_BUSY_RETRY_S,
            ) from error
        except DeliveryError as error:
            raise unavailable(
                ProblemType.BROKER_UNAVAILABLE,
                "Kafka did not take the events in time; send them again",
                retry_after_s=_BROKER_RETRY_S,
            ) from error
        return self._answered(request, answer(receipt))

    async def _check(self, request: web.Request) -> web.Response:
        """What would become of the events; nothing is sent."""
        name = query_of(request, CheckQuery).dialect
        dialect = DIALECTS.get(name)
        if dialect is None:
            raise invalid(f"dialect is {name!r:.60}; expected one of: {', '.join(DIALECTS)}")
        collected = self._read(request)
        if dialect is OWN and is_cloudevent(collected):
            dialect = CLOUDEVENTS
        try:
            read = self._collector.check(dialect, collected, self._source(request))
        except BadRequestError as error:
            raise _unreadable(error) from None
        return json_response(
            {
                "valid": not any(isinstance(one, Rejected) for one in read.outcomes),
                "events": [_event(one) for one in read.outcomes],
                "ignored": [
                    {"index": at, "why": one.why} for at, one in enumerate(read.outcomes) if isinstance(one, Left)
                ],
                "rejected": [rejection(at, one) for at, one in Receipt(read).rejected],
            }
        )

    async def _allow(self, request: web.Request) -> web.Response:
        """A browser asks before it sends; a sender of CloudEvents asks whether it may."""
        headers = self._cross_origin(request)
        if wanted := request.headers.get("WebHook-Request-Origin"):
            headers |= {"WebHook-Allowed-Origin": wanted, "WebHook-Allowed-Rate": "*", hdrs.ALLOW: "POST"}
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN in headers:
            asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "")
            headers |= {
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, OPTIONS",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: asked[:1_000] or "Content-Type",
                hdrs.ACCESS_CONTROL_MAX_AGE: str(_PREFLIGHT_S),
            }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)

    def _read(self, request: web.Request) -> CollectorRequest:
        principal = principal_of(request)
        return CollectorRequest(
            path=request.path,
            body=body_of(request),
            received_ms=self._clock.now_ms(),
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query),
            subject=principal.name if principal.is_user_alone else None,
        )

    def _source(self, request: web.Request) -> str:
        """Name of the source of a request.

        Raises
        ------
        ProblemError
            Its key is for another pack: 403.
        """
        source, pack = principal_of(request).source, self._collector.pack.name
        if source.pack and source.pack != pack:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                ProblemType.FORBIDDEN,
                f"This key is for the pack {source.pack}; events of the pack {pack} are taken here",
            )
        return source.name

    def _answered(self, request: web.Request, reply: Reply) -> web.Response:
        headers = self._cross_origin(request)
        if reply.media_type == "image/gif":
            headers[hdrs.CACHE_CONTROL] = "no-cache, no-store, must-revalidate"
        return web.Response(body=reply.body, content_type=reply.media_type, headers=headers)

    def _cross_origin(self, request: web.Request) -> dict[str, str]:
        """Headers that let a page of another site send, and see the answer."""
        origin = request.headers.get(hdrs.ORIGIN)
        headers = {"Cross-Origin-Resource-Policy": "cross-origin"}
        if origin is None or not ({"*", origin} & self._origins):
            return headers
        headers |= {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin, hdrs.VARY: hdrs.ORIGIN}
        if request.path.startswith(_TP2):  # this tracker sends with cookies unless told not to; they mean nothing here
            headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        return headers

    def _error(self, error: ProblemError, request_id: str) -> web.Response:
        """An error as SDKs read it: JSON with `code` and `message` beside the members of a problem."""
        members = {"code": str(error.problem), "message": error.detail} | error.members
        delivered = ProblemError(error.status, error.problem, error.detail, headers=error.headers, members=members)
        response = problem_response(delivered, request_id)
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        response.headers[REQUEST_ID] = request_id
        if "*" in self._origins:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"
        return response


def _unreadable(error: BadRequestError) -> ProblemError:
    status = HTTPStatus.BAD_REQUEST
    return ProblemError(status, ProblemType.INVALID_REQUEST, error.message, members={"code": error.code})


def _event(outcome: Outcome) -> dict[str, Any] | None:
    if not isinstance(outcome, Accepted):
        return None
    event: dict[str, Any] = msgspec.json.decode(outcome.value)
    return event


def _find_key(request: web.Request, body: bytes) -> str | None:
    """An ingest key where SDKs put it: in the query, or in the body."""
    for name in ("writeKey", "api_key", "token", "access_token"):
        if name in request.query:
            return request.query[name]
    return body_key(body) if body else app_key(request.query.get("aid"))
