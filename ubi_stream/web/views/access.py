"""Sessions, keys and the audit: who may ask, and who asked."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.clock import Clock
from ubi_stream.settings import Settings
from ubi_stream.web.problems import ProblemError, ProblemType, invalid, json_response
from ubi_stream.web.query import entity_id, ordered
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import (
    ANYBODY,
    AUTHENTICATED,
    Answer,
    Body,
    Limit,
    Route,
    document_of,
    principal_of,
    query_of,
)
from ubi_stream.web.security import key_store
from ubi_stream.web.security.audit import AuditLine, newest_lines
from ubi_stream.web.security.guard import RequestGuard, about
from ubi_stream.web.security.keys import ApiKey, KeyKind, wrong_grants
from ubi_stream.web.security.principal import ADMINS, Kind, Principal, Role, Source

MAX_LINES: Final = 500
OVERLAP_S: Final = 86_400.0
"""How long a rotated key stays good, unless asked for otherwise."""
_MAX_OVERLAP_S: Final = 30 * 86_400
_Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What opens a session: a secret key, or a token of the identity provider."""

    credential: Annotated[str, Meta(min_length=1, max_length=8192)]


class Caller(msgspec.Struct, frozen=True):
    """Who asks: `open` says that no key exists yet, and this machine needs none."""

    name: str
    kind: str
    roles: list[str]
    scopes: list[str]
    open: bool


class NewSource(Source, frozen=True, forbid_unknown_fields=True):
    """What an ingest key shall name."""


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key shall grant."""

    kind: KeyKind
    name: _Text
    roles: list[Role] = []
    scopes: list[str] = []
    source: NewSource | None = None
    requests: Annotated[int, Meta(ge=1)] | None = None
    days: Annotated[float, Meta(gt=0, le=3650)] | None = None


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key stays good."""

    overlap_s: Annotated[float, Meta(ge=0, le=_MAX_OVERLAP_S)] = OVERLAP_S


class KeyShown(msgspec.Struct, frozen=True):
    """A key as it is listed: all that is stored of it but its hash. `key` is there once, when it is made."""

    id: str
    kind: str
    name: str
    roles: list[str]
    scopes: list[str]
    source: Source | None
    requests: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None
    good: bool
    key: str | None = None


class Keys(msgspec.Struct, frozen=True):
    """All keys, the oldest first."""

    keys: list[KeyShown]


class AuditQuery(msgspec.Struct, frozen=True):
    """Parameters of the audit."""

    actor: Annotated[str | None, Meta(description="Id of a key, or `sub` of a token")] = None
    subject: Annotated[str | None, Meta(description="Id of the user that requests were about")] = None
    since: Annotated[datetime | None, Meta(description="Earliest time, included")] = None
    until: Annotated[datetime | None, Meta(description="Latest time, not included")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LINES, description="Lines of a page")] = 100


class AuditPage(msgspec.Struct, frozen=True):
    """Lines of the audit, the newest first."""

    lines: list[AuditLine]


class Access:
    """Routes of sessions, keys and the audit."""

    def __init__(self, guard: RequestGuard, reader: Reader, clock: Clock, settings: Settings) -> None:
        self._guard = guard
        self._reader = reader
        self._clock = clock
        self._secret = settings.keys_secret.get_secret_value().encode()

    def routes(self) -> list[Route]:
        """Their rows of the route table."""
        stored = (ProblemType.DATABASE_UNAVAILABLE,)
        found = (*stored, ProblemType.UNKNOWN_KEY)
        return [
            Route("POST", "/api/v1/session", self.log_in, "Opens a session of the live page", roles=ANYBODY,
                  body=Body(type=Login, max_bytes=16_384), answers=(Answer(Caller),),
                  problems=(ProblemType.UNAUTHENTICATED,), limit=Limit.PUBLIC, audited=True),
            Route("DELETE", "/api/v1/session", self.log_out, "Ends a session", roles=ANYBODY,
                  answers=(Answer(status=204),), limit=Limit.PUBLIC, audited=True),
            Route("GET", "/api/v1/session", self.who, "Who asks, and with which rights", roles=AUTHENTICATED,
                  own="sub", answers=(Answer(Caller),)),
            Route("GET", "/api/v1/keys/current", self.current, "The key that is sent", roles=AUTHENTICATED, own="sub",
                  answers=(Answer(KeyShown),), problems=found),
            Route("GET", "/api/v1/keys", self.listed, "All keys", roles=ADMINS, scope="keys:read",
                  answers=(Answer(Keys),), problems=stored, audited=True),
            Route("POST", "/api/v1/keys", self.create, "Makes a key, and shows it once", roles=ADMINS,
                  scope="keys:write", body=Body(type=NewKey), answers=(Answer(KeyShown, HTTPStatus.CREATED),),
                  problems=stored, limit=Limit.WRITE, audited=True),
            Route("POST", "/api/v1/keys/{id}/rotate", self.rotate, "Makes a key that replaces another", roles=ADMINS,
                  scope="keys:write", body=Body(type=Rotation), answers=(Answer(KeyShown, HTTPStatus.CREATED),),
                  problems=found, limit=Limit.WRITE, audited=True),
            Route("DELETE", "/api/v1/keys/{id}", self.revoke, "Revokes a key at once", roles=ADMINS,
                  scope="keys:write", answers=(Answer(status=204),), problems=found, limit=Limit.WRITE, audited=True),
            Route("GET", "/api/v1/audit", self.audit, "Who asked for what", roles=ADMINS, scope="audit:read",
                  query=AuditQuery, answers=(Answer(AuditPage),), problems=stored, audited=True),
        ]  # fmt: skip

    async def log_in(self, request: web.Request) -> web.Response:
        """Open a session for whom a key or token is of."""
        found = await self._guard.identify(document_of(request, Login).credential)
        if found is None or not (found.roles - {Role.INGEST} or found.scopes):
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED, ProblemType.UNAUTHENTICATED, "This is no key or token that reads anything"
            )
        response = json_response(_caller(found, is_open=False))
        self._guard.sessions.open(response, found)
        return response

    async def log_out(self, request: web.Request) -> web.Response:
        """End the session of the browser that asks."""
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        self._guard.sessions.end(request, response)
        return response

    async def who(self, request: web.Request) -> web.Response:
        """Who asks."""
        return json_response(_caller(principal_of(request), is_open=await self._guard.is_open()))

    async def current(self, request: web.Request) -> web.Response:
        """The key that the request was sent with."""
        key_id = principal_of(request).key_id
        key = await self._guard.keys.by_id(key_id) if key_id is not None else None
        if key is None:
            raise _unknown()
        return json_response(self._shown(key))

    async def listed(self, _request: web.Request) -> web.Response:
        """All keys, good or not."""
        keys = await self._reader.ask(key_store.list_keys)
        return json_response(Keys([self._shown(key) for key in keys]))

    async def create(self, request: web.Request) -> web.Response:
        """Make a key, which grants nothing that its maker has not."""
        asked = document_of(request, NewKey)
        if wrong := wrong_grants(asked.kind, asked.roles, asked.scopes):
            raise invalid(wrong)
        _require_no_more(principal_of(request), asked.roles, asked.scopes)
        text, key = key_store.make_key(
            asked.kind,
            asked.name,
            secret=self._secret,
            now=self._now(),
            roles=frozenset(asked.roles),
            scopes=frozenset(asked.scopes),
            source=asked.source,
            requests=asked.requests,
            days=asked.days,
        )
        await self._reader.ask(partial(key_store.create_key, key=key))
        about(request, key.id)
        return json_response(self._shown(key, text), status=HTTPStatus.CREATED)

    async def rotate(self, request: web.Request) -> web.Response:
        """Make a key that grants the same; the old one is good for the overlap."""
        overlap_s = document_of(request, Rotation).overlap_s
        old = await self._find(request)
        _require_no_more(principal_of(request), old.roles, old.scopes)
        rotate = partial(key_store.rotate_key, old=old, secret=self._secret, now=self._now(), overlap_s=overlap_s)
        text, key = await self._reader.ask(rotate)
        return json_response(self._shown(key, text), status=HTTPStatus.CREATED)

    async def revoke(self, request: web.Request) -> web.Response:
        """Make a key good for nothing."""
        key = await self._find(request)
        await self._reader.ask(partial(key_store.revoke_key, key_id=key.id, now=self._now()))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def audit(self, request: web.Request) -> web.Response:
        """Lines of the audit that pass the filters."""
        asked = query_of(request, AuditQuery)
        since, until = ordered(asked.since, asked.until)
        hashed = None if asked.subject is None else self._guard.audit.hash_of(asked.subject)
        query = partial(
            newest_lines, actor=asked.actor, subject_hash=hashed, since=since, until=until, limit=asked.limit
        )
        return json_response(AuditPage(await self._reader.ask(query)))

    async def _find(self, request: web.Request) -> ApiKey:
        key_id = entity_id(request)
        about(request, key_id)
        key = await self._reader.ask(partial(key_store.find_key, key_id=key_id))
        if key is None:
            raise _unknown()
        return key

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)

    def _shown(self, key: ApiKey, text: str | None = None) -> KeyShown:
        source = key.source if key.kind is KeyKind.INGEST else None
        return KeyShown(
            id=key.id,
            kind=key.kind,
            name=key.name,
            roles=sorted(key.roles),
            scopes=sorted(key.scopes),
            source=source,
            requests=key.requests,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
            replaced_by=key.replaced_by,
            good=key.is_good(self._now()),
            key=text,
        )


def access_routes(guard: RequestGuard, reader: Reader, clock: Clock, settings: Settings) -> list[Route]:
    """Rows of the route table for sessions, keys and the audit."""
    return Access(guard, reader, clock, settings).routes()


def _require_no_more(maker: Principal, roles: list[Role] | frozenset[Role], scopes: list[str] | frozenset[str]) -> None:
    """Nobody makes a key that grants more than they have; an admin has all."""
    if Role.ADMIN in maker.roles:
        return
    if roles or not all(maker.has_scope(scope) for scope in scopes):
        raise ProblemError(
            HTTPStatus.FORBIDDEN, ProblemType.FORBIDDEN, "A key can't grant more than the key that makes it"
        )


def _caller(principal: Principal, *, is_open: bool) -> Caller:
    return Caller(
        principal.name,
        principal.kind,
        sorted(principal.roles),
        sorted(principal.scopes),
        open=is_open and principal.kind is Kind.LOCAL,
    )


def _unknown() -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_KEY, "There is no such key")
