"""What a person can ask for: what is kept of them, that it be erased; and what an operator can: what was found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from itertools import product
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import uuid4

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from ubi_stream.clock import Clock
from ubi_stream.errors import DeliveryError
from ubi_stream.events.erase import erase_event
from ubi_stream.insights.encoding import iso_time
from ubi_stream.metrics.status import StateLocation
from ubi_stream.packs.plan import compile_plan
from ubi_stream.runtime.label_replies import LabelKey
from ubi_stream.sinks.privacy_queries import (
    EXPORTED,
    ErasureReceipt,
    PrivacyReport,
    privacy_report,
    receipt_of,
    rows_about,
)
from ubi_stream.sinks.queries import Database
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemError, ProblemType, json_response, unavailable
from ubi_stream.web.profile import profile
from ubi_stream.web.query import entity_id, one_of
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Limit, Route, query_of
from ubi_stream.web.security.principal import OWN_PRIVACY, PRIVACY

ERASURE_PREFIX: Final = "erase/"
"""Begins the ids of events that erase."""
_KNOWN_FOR_MS: Final = 7 * 86_400_000
"""How long an erasure without a receipt is taken to be on its way: longer than any outage that is not an accident."""
_EXPORT_WITHIN_S: Final = 30.0
_MAX_ROWS: Final = 100_000
"""Rows of one table in an export; cool-downs keep an entity far below it."""


class EntityQuery(msgspec.Struct, frozen=True):
    """Parameters of what is about one entity."""

    entity: Annotated[str, Meta(description="Kind of entity that the id is of")] = "user"


class ExportQuery(EntityQuery, frozen=True):
    """Parameters of an export."""

    rows: Annotated[bool, Meta(description="Whether rows of the database are in it too")] = True


class ErasureStatus(msgspec.Struct, frozen=True):
    """An erasure that was asked for; `receipt` is null while it is `pending`."""

    erasure_id: str
    status: str
    receipt: ErasureReceipt | None = None


class Export(msgspec.Struct, frozen=True):
    """All that is kept about one entity: the live state, decoded, and the rows of the database."""

    entity: str
    id: str
    exported_at: str
    profile: dict[str, Any] | None
    state: dict[str, Any] | None
    insights: list[msgspec.Raw]
    visits: list[msgspec.Raw]
    recommendations: list[msgspec.Raw]
    complete: bool


class _LiveState(msgspec.Struct, frozen=True):
    """What the worker that has an entity's partition knows of it."""

    profile: dict[str, Any] | None = None
    state: dict[str, Any] | None = None


class PrivacyViews:
    """Routes about personal data; the worker that has the entity's partition exports it."""

    def __init__(self, port: WorkerPort, reader: Reader, forwarder: Forwarder, clock: Clock) -> None:
        self._port = port
        self._reader = reader
        self._forwarder = forwarder
        self._clock = clock
        self._plans = {entity.name: compile_plan(port.pack, entity.name) for entity in port.pack.entities}

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        stored = (ProblemType.DATABASE_UNAVAILABLE,)
        asked = (ProblemType.REBALANCING, ProblemType.WORKER_UNREACHABLE)
        return [
            Route("DELETE", "/api/v1/users/{id}", self.erase, "Erases all that is kept about one user",
                  roles=PRIVACY, scope="privacy:write", query=EntityQuery,
                  answers=(Answer(ErasureStatus, HTTPStatus.ACCEPTED),), problems=(ProblemType.BROKER_UNAVAILABLE,),
                  limit=Limit.WRITE, audited=True),
            Route("GET", "/api/v1/erasures/{id}", self.erasure, "Receipt of an erasure", roles=PRIVACY,
                  scope="privacy:read", answers=(Answer(ErasureStatus),),
                  problems=(*stored, ProblemType.UNKNOWN_ERASURE)),
            Route("GET", "/api/v1/users/{id}/export", self.export, "All that is kept about one user",
                  roles=OWN_PRIVACY, scope="privacy:read", query=ExportQuery, answers=(Answer(Export),),
                  problems=(*stored, *asked, ProblemType.UNKNOWN_ENTITY), own="path:id", audited=True),
            Route("GET", "/api/v1/privacy/report", self.report, "Personal data that was found, by property",
                  roles=PRIVACY, scope="privacy:read", answers=(Answer(PrivacyReport),), problems=stored),
        ]  # fmt: skip

    async def erase(self, request: web.Request) -> web.Response:
        """Put an erasure on the topic, in order with the entity's events: 202, and where its receipt will be."""
        kind = one_of("entity", query_of(request, EntityQuery).entity, self._plans)
        found, now_ms = entity_id(request), self._clock.now_ms()
        erasure_id = f"{now_ms:x}-{uuid4().hex}"
        event_id = ERASURE_PREFIX + erasure_id
        event = erase_event(event_id, now_ms, found, key=self._plans[kind].entity.key)
        try:
            await self._port.send_command(LabelKey(kind, found, event_id), event)
        except DeliveryError as error:
            raise unavailable(
                ProblemType.BROKER_UNAVAILABLE, "Kafka does not take the erasure now; send it again", retry_after_s=2
            ) from error
        headers: dict[str, str] = {hdrs.LOCATION: f"/api/v1/erasures/{quote(erasure_id)}"}
        return json_response(ErasureStatus(erasure_id, "pending"), status=HTTPStatus.ACCEPTED, headers=headers)

    async def erasure(self, request: web.Request) -> web.Response:
        """The receipt of an erasure, once it is in the database: then the insights are gone there."""
        erasure_id = entity_id(request)
        receipt = await self._reader.ask(partial(receipt_of, event_id=ERASURE_PREFIX + erasure_id))
        if receipt is None and not self._may_come(erasure_id):
            raise ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ERASURE, "There is no such erasure")
        return json_response(ErasureStatus(erasure_id, "pending" if receipt is None else "done", receipt))

    async def export(self, request: web.Request) -> web.Response:
        """All that is kept about an entity: its state from the worker that has it, its rows from here."""
        asked = query_of(request, ExportQuery)
        kind, found = one_of("entity", asked.entity, self._plans), entity_id(request)
        live = await self._live(request, kind, found)
        rows: dict[str, list[bytes]] = {table: [] for table in EXPORTED}
        if asked.rows:
            known = live.state["identities"] if live.state else {}  # rows keep the id that they were written under
            ids = (found, *known)
            rows = await self._reader.ask(partial(rows_of, entity=kind, user_ids=ids), within_s=_EXPORT_WITHIN_S)
        if live.state is None and not any(rows.values()):
            raise ProblemError(HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_ENTITY, f"Nothing is kept about this {kind}")
        document = Export(
            entity=kind,
            id=found,
            exported_at=iso_time(self._clock.now_ms()),
            profile=live.profile,
            state=live.state,
            complete=asked.rows and all(len(one) <= _MAX_ROWS for one in rows.values()),
            **{table: [msgspec.Raw(row) for row in one[:_MAX_ROWS]] for table, one in rows.items()},
        )
        return json_response(document, headers={hdrs.CONTENT_DISPOSITION: 'attachment; filename="export.json"'})

    async def _live(self, request: web.Request, kind: str, found: str) -> _LiveState:
        """Profile and state of an entity, from here or from the worker that has its partition."""
        owner = self._port.locate(kind, found)
        if owner.place is StateLocation.HERE:
            state = self._port.state_of(kind, found)
            if state is None:
                return _LiveState()
            features = self._port.features_of(kind, found, state.last_ms)
            confidence = self._port.visit_confidence(kind, found)
            return _LiveState(profile(self._plans[kind], found, state, features, confidence), _plain(state))
        if not self._forwarder.may_ask(owner, request):
            raise unavailable(
                ProblemType.REBALANCING, "Partitions are being handed out to workers; ask again", retry_after_s=1
            )
        answer = await self._forwarder.fetch(owner, request, {"entity": kind, "rows": "false"})
        if answer.status == HTTPStatus.NOT_FOUND:
            return _LiveState()
        if answer.status != HTTPStatus.OK or not isinstance(answer.body, bytes):
            raise unavailable(
                ProblemType.WORKER_UNREACHABLE, "The worker that has this user does not answer now", retry_after_s=2
            )
        return msgspec.json.decode(answer.body, type=_LiveState)

    async def report(self, _request: web.Request) -> web.Response:
        """Personal data that was found, masked and kept, of all partitions."""
        return json_response(await self._reader.ask(partial(privacy_report, pack=self._port.pack.name)))

    def _may_come(self, erasure_id: str) -> bool:
        """Whether an id is one that was given lately: its first part is the time."""
        made, separator, rest = erasure_id.partition("-")
        try:
            made_ms = int(made, 16)
        except ValueError:
            return False
        return bool(separator) and len(rest) == 32 and 0 <= self._clock.now_ms() - made_ms < _KNOWN_FOR_MS


async def rows_of(database: Database, *, entity: str, user_ids: Sequence[str]) -> dict[str, list[bytes]]:
    """Rows of each table about all ids of one entity, one more than an export takes where there are."""
    found: dict[str, list[bytes]] = {table: [] for table in EXPORTED}
    for table, user_id in product(EXPORTED, user_ids):
        async for row in rows_about(database, table, entity=entity, user_id=user_id):
            if len(found[table]) > _MAX_ROWS:
                break
            found[table].append(row)
    return found


def _plain(state: object) -> dict[str, Any]:
    """A state with the names of its fields; bytes as base64, keys as text."""
    plain: dict[str, Any] = msgspec.to_builtins(_named(state), str_keys=True)
    return plain


def _named(value: object) -> Any:
    """Structs are written as arrays to be small: for people each number has its name again."""
    if isinstance(value, msgspec.Struct):
        return {name: _named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): _named(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_named(one) for one in value]
    return value
