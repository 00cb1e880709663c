"""Dead letters: listed by what is wrong, shown whole, repaired and sent again."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.collector.delivery import OverloadedError
from ubi_stream.collector.repair import Letters, PatchError, Repaired, Repairs, check_patch, decode_letter
from ubi_stream.collector.service import Collector
from ubi_stream.errors import BrokerUnavailableError, DeliveryError
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.sinks.dead_letter_queries import (
    DeadLetterFilter,
    ListedDeadLetter,
    dead_letters_by_reason,
    find_dead_letters,
    find_repairable,
    mark_resent,
)
from ubi_stream.web.problems import ProblemError, ProblemType, invalid, json_response, unavailable
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Body, Limit, Route, document_of, query_of
from ubi_stream.web.security.principal import READERS, WRITERS

_REPAIRED_AT_ONCE: Final = 500
_RETRY_S: Final = 2


class DeadLettersQuery(msgspec.Struct, frozen=True):
    """Filters of the list."""

    reason: DeadLetterReason | None = None
    path: Annotated[str | None, Meta(description="JSON path of the wrong field")] = None
    source: Annotated[str | None, Meta(description="Source topic, or collector/ and a source's name")] = None
    since: datetime | None = None
    until: datetime | None = None
    resent: Annotated[bool | None, Meta(description="Those that were sent again, or those that were not")] = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class DeadLetterPage(msgspec.Struct, frozen=True):
    """How many there are of each reason, and the newest that fit."""

    by_reason: dict[str, int]
    dead_letters: list[ListedDeadLetter]


class ShownDeadLetter(msgspec.Struct, frozen=True):
    """One, with its record: `value` as JSON, or as text where it is none; null where it is not kept."""

    dead_letter: ListedDeadLetter
    value: Any
    headers: dict[str, str | None]


class ResendBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead letters are repaired, and how. With `dry_run` nothing is sent."""

    ids: Annotated[tuple[str, ...], Meta(max_length=_REPAIRED_AT_ONCE)] = ()
    reason: DeadLetterReason | None = None
    path: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    patch: list[dict[str, Any]] = []
    dry_run: bool = False
    limit: Annotated[int, Meta(ge=1, le=_REPAIRED_AT_ONCE)] = 100


class Resent(msgspec.Struct, frozen=True):
    """How many there are of each status, and what became of each."""

    counts: dict[str, int]
    dead_letters: list[Repaired]


class DeadLetterViews:
    """Routes about dead letters."""

    def __init__(self, reader: Reader, collector: Collector, letters: Letters) -> None:
        self._reader = reader
        self._letters = letters
        self._repairs = Repairs(collector, letters, self._mark)

    def routes(self) -> list[Route]:
        """Rows of the route table."""
        broken = (ProblemType.DATABASE_UNAVAILABLE, ProblemType.BROKER_UNAVAILABLE)
        return [
            Route(
                "GET",
                "/api/v1/dead-letters",
                self.page,
                summary="Dead letters by reason, and the newest",
                roles=READERS,
                scope="dead_letters:read",
                query=DeadLettersQuery,
                answers=(Answer(DeadLetterPage),),
                problems=broken[:1],
                audited=True,
            ),
            Route(
                "POST",
                "/api/v1/dead-letters/resend",
                self.resend,
                summary="Repairs dead letters by a JSON patch and sends them again, or says what would be sent",
                roles=WRITERS,
                scope="dead_letters:write",
                body=Body(ResendBody),
                answers=(Answer(Resent),),
                problems=broken,
                limit=Limit.WRITE,
                audited=True,
            ),
            Route(
                "GET",
                "/api/v1/dead-letters/{id}",
                self.one,
                summary="A dead letter, whole",
                roles=WRITERS,
                scope="dead_letters:read",
                answers=(Answer(ShownDeadLetter),),
                problems=(*broken, ProblemType.UNKNOWN_DEAD_LETTER),
                audited=True,
            ),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """Counts by reason, and a list."""
        query = query_of(request, DeadLettersQuery)
        wanted = DeadLetterFilter(
            reason=query.reason, path=query.path, source=query.source, since=query.since, until=query.until,
            resent=query.resent,
        )  # fmt: skip
        counts = await self._reader.ask(dead_letters_by_reason)
        found = await self._find(wanted, query.limit)
        return json_response(DeadLetterPage(counts, found))

    async def one(self, request: web.Request) -> web.Response:
        """One, with its record."""
        id_ = request.match_info["id"]
        found = await self._find(DeadLetterFilter(ids=(id_,)), 1)
        if not found:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_DEAD_LETTER, "There is no dead letter with this id"
            )
        listed = found[0]
        place = (listed.dead_letter_topic, listed.dead_letter_partition, listed.dead_letter_offset)
        raw = None
        if place[0] is not None:
            try:
                [raw] = await self._letters.read([(place[0], place[1] or 0, place[2] or 0)])
            except BrokerUnavailableError as error:
                raise _no_broker() from error
        letter = None if raw is None else decode_letter(raw)
        value = None if letter is None or letter.value is None else _shown(letter.value)
        headers = {} if letter is None else {name: letter.header(name) for name, _ in letter.headers}
        return json_response(ShownDeadLetter(listed, value, headers))

    async def resend(self, request: web.Request) -> web.Response:
        """Repair and send, or say what would be sent."""
        body = document_of(request, ResendBody)
        try:
            patch = check_patch(body.patch)
        except PatchError as error:
            raise invalid(str(error)) from None
        wanted = DeadLetterFilter(
            ids=body.ids, reason=body.reason, path=body.path, source=body.source, since=body.since, until=body.until,
        )  # fmt: skip
        if wanted == DeadLetterFilter():
            raise invalid("Say which: ids, or reason, path, source, since, until")
        found = await self._reader.ask(lambda database: find_repairable(database, wanted, limit=body.limit))
        try:
            results = await self._repairs.run(found, patch, send=not body.dry_run)
        except (BrokerUnavailableError, DeliveryError, OverloadedError) as error:
            raise _no_broker() from error
        counts: dict[str, int] = {}
        for one in results:
            counts[one.status] = counts.get(one.status, 0) + 1
        return json_response(Resent(counts, results))

    async def _find(self, wanted: DeadLetterFilter, limit: int) -> list[ListedDeadLetter]:
        return await self._reader.ask(lambda database: find_dead_letters(database, wanted, limit=limit))

    async def _mark(self, ids: Any) -> None:
        await self._reader.ask(lambda database: mark_resent(database, ids))


def _shown(value: bytes) -> object:
    try:
        found: object = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode("utf-8", "replace")
    return found


def _no_broker() -> ProblemError:
    return unavailable(ProblemType.BROKER_UNAVAILABLE, "Kafka does not answer now; ask again", retry_after_s=_RETRY_S)
