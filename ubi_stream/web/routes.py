"""A row of the route table: everything that is known about a route, in one place.

Routing, validation, roles, limits and the OpenAPI document are made from a list of these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar

import msgspec
from aiohttp import web

from ubi_stream.web.problems import ProblemError, ProblemType
from ubi_stream.web.security.principal import Principal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FindKey = Callable[[web.Request, bytes], str | None]
"""Finds an ingest key where a client of another product puts it: in the query, the path or the body."""
ErrorFormat = Callable[[ProblemError, str], web.Response]
"""Writes an error, with the request's id, as clients of another product expect it."""
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Own = Literal["path:id", "query:user_id", "sub"]
"""Where a request names the user whose data it is about."""

ANYBODY: Final = frozenset({"anybody"})
"""Roles of a route that needs no key. An empty set is nobody."""
AUTHENTICATED: Final = frozenset({"authenticated"})
"""Roles of a route that takes any key or token, whatever it grants."""

_QUERY: Final = web.RequestKey("query", msgspec.Struct)
_BODY: Final = web.RequestKey("body", bytes)
_DOCUMENT: Final = web.RequestKey("document", object)
_PRINCIPAL: Final = web.RequestKey("principal", Principal)
_T = TypeVar("_T", bound=msgspec.Struct)


class Limit(StrEnum):
    """Classes of rate limits: each caller has a budget in each."""

    READ = "read"
    WRITE = "write"
    INGEST = "ingest"
    PUBLIC = "public"
    PAGE = "page"
    """What the live page reads in a session: it asks every three seconds."""


class Exposure(StrEnum):
    """Groups of routes that a setting exposes without a key, to readers alone, or not at all."""

    API = "api"
    DOCS = "docs"
    METRICS = "metrics"
    HEALTH = "health"


class NoQuery(msgspec.Struct, frozen=True):
    """The query of a route that takes no parameters."""


class AnyQuery(msgspec.Struct, frozen=True):
    """The query of a route that reads it itself: SDKs send parameters of their own, which come and go."""


class Body(msgspec.Struct, frozen=True):
    """The body that a route takes.

    Attributes
    ----------
    type
        What its JSON is; None hands the bytes to the handler.
    shows
        What the documentation says of a body that the handler reads itself.
    media_types
        Accepted content types; empty accepts any, and none.
    max_bytes, max_decoded_bytes
        Limits of the body as sent, and after its encoding was undone; one for both unless given.
    encodings
        Accepted `Content-Encoding`s, of gzip, deflate and zstd.
    within_s
        Time in which the whole body has to come.
    """

    type: Any = None
    shows: Any = None
    media_types: tuple[str, ...] = ("application/json",)
    max_bytes: int = 64 * 1024
    max_decoded_bytes: int | None = None
    encodings: tuple[str, ...] = ()
    within_s: float = 5.0


class Answer(msgspec.Struct, frozen=True):
    """One way in which a route answers. `type` None stands for a body without a schema."""

    type: Any = None
    status: int = 200
    media_type: str = "application/json"
    description: str = ""


class Route(msgspec.Struct, frozen=True):
    """One route.

    Attributes
    ----------
    path
        Pattern with `{name}` for parts that vary. Each may hold any text, percent-encoded.
    summary
        One line for the documentation.
    roles
        Who may call it; nobody unless given.
    scope
        What a secret key needs to call it, `object:read` or `object:write`; without one, no secret key opens it.
    query
        A Struct with a field for each parameter.
    problems
        What may go wrong besides that which may at every route.
    limit
        Whose budget a request takes from.
    own
        Where the request names the user whose data it is about. A token of role `user` needs it.
    audited
        Whether a request leaves a line in the audit table.
    find_key, errors
        For clients of other products: where else an ingest key may be, and how errors are written.
    also
        Further paths of the same route. They are left out of the documentation.
    """

    method: Method
    path: str
    handler: Handler
    summary: str = ""
    roles: frozenset[str] = frozenset()
    scope: str = ""
    query: type[msgspec.Struct] = NoQuery
    body: Body | None = None
    answers: tuple[Answer, ...] = (Answer(),)
    problems: tuple[ProblemType, ...] = ()
    limit: Limit = Limit.READ
    own: Own | None = None
    audited: bool = False
    find_key: FindKey | None = None
    errors: ErrorFormat | None = None
    also: tuple[str, ...] = ()
    exposure: Exposure = Exposure.API

    @property
    def tag(self) -> str:
        """Heading of the documentation under which the route is: the noun of its path."""
        words = [word for word in self.path.split("/") if word and word not in ("api", "v1")]
        return words[0] if words else "page"


def admit(request: web.Request, principal: Principal) -> None:
    """Note who sent a request. The guard calls it, once."""
    request[_PRINCIPAL] = principal


def accept(request: web.Request, query: msgspec.Struct, body: bytes, document: object) -> None:
    """Note what a request asks for. The dispatcher calls it, once."""
    request[_QUERY], request[_BODY], request[_DOCUMENT] = query, body, document


def principal_of(request: web.Request) -> Principal:
    """Who sent the request."""
    return request[_PRINCIPAL]


def query_of(request: web.Request, kind: type[_T]) -> _T:
    """The parameters of the request; `kind` is the route's `query`."""
    found = request[_QUERY]
    assert isinstance(found, kind), f"the route's query is {type(found).__name__}"
    return found


def body_of(request: web.Request) -> bytes:
    """The body of the request, its encoding undone."""
    return request[_BODY]


def document_of(request: web.Request, kind: type[_T]) -> _T:
    """The JSON document of the request; `kind` is the type of the route's body."""
    found = request[_DOCUMENT]
    assert isinstance(found, kind), f"the route's body is {type(found).__name__}"
    return found
