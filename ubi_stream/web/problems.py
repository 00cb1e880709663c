"""Errors as the API tells them: RFC 9457 problem documents, which say what to do and nothing about the inside."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

CONTENT_TYPE = "application/problem+json"


class ProblemType(StrEnum):
    """Closed list of what can be wrong; `docs/api.md` has a line for each."""

    INVALID_REQUEST = "invalid-request"
    UNEXPECTED_BODY = "unexpected-body"
    BODY_TOO_LARGE = "body-too-large"
    BODY_TOO_SLOW = "body-too-slow"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    TOO_MANY_LABELS = "too-many-labels"
    TOO_MANY_EVENTS = "too-many-events"
    TOO_MANY_REQUESTS = "too-many-requests"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NO_SUCH_ROUTE = "no-such-route"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    UNKNOWN_ENTITY = "unknown-entity"
    UNKNOWN_VISIT = "unknown-visit"
    UNKNOWN_DEAD_LETTER = "unknown-dead-letter"
    UNKNOWN_KEY = "unknown-key"
    UNKNOWN_ERASURE = "unknown-erasure"
    REBALANCING = "rebalancing"
    WORKER_UNREACHABLE = "worker-unreachable"
    BROKER_UNAVAILABLE = "broker-unavailable"
    IDENTITY_UNAVAILABLE = "identity-unavailable"
    DATABASE_UNAVAILABLE = "database-unavailable"
    NOT_READY = "not-ready"
    INTERNAL = "internal"


_STATUSES: Final = {
    HTTPStatus.UNAUTHORIZED: {ProblemType.UNAUTHENTICATED},
    HTTPStatus.FORBIDDEN: {ProblemType.FORBIDDEN},
    HTTPStatus.NOT_FOUND: {
        ProblemType.NO_SUCH_ROUTE,
        ProblemType.UNKNOWN_DEAD_LETTER,
        ProblemType.UNKNOWN_ENTITY,
        ProblemType.UNKNOWN_ERASURE,
        ProblemType.UNKNOWN_KEY,
        ProblemType.UNKNOWN_VISIT,
    },
    HTTPStatus.METHOD_NOT_ALLOWED: {ProblemType.METHOD_NOT_ALLOWED},
    HTTPStatus.REQUEST_TIMEOUT: {ProblemType.BODY_TOO_SLOW},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {ProblemType.BODY_TOO_LARGE, ProblemType.UNEXPECTED_BODY},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {ProblemType.UNSUPPORTED_MEDIA_TYPE},
    HTTPStatus.TOO_MANY_REQUESTS: {ProblemType.TOO_MANY_LABELS, ProblemType.TOO_MANY_REQUESTS},
    HTTPStatus.INTERNAL_SERVER_ERROR: {ProblemType.INTERNAL},
    HTTPStatus.SERVICE_UNAVAILABLE: {
        ProblemType.REBALANCING,
        ProblemType.TOO_MANY_EVENTS,
        ProblemType.WORKER_UNREACHABLE,
        ProblemType.BROKER_UNAVAILABLE,
        ProblemType.DATABASE_UNAVAILABLE,
        ProblemType.IDENTITY_UNAVAILABLE,
        ProblemType.NOT_READY,
    },
}


def status_of(problem: ProblemType) -> int:
    """Status with which a problem is answered; 400 unless it is listed.

    >>> status_of(ProblemType.FORBIDDEN), status_of(ProblemType.INVALID_REQUEST)
    (403, 400)
    """
    found = (status for status, problems in _STATUSES.items() if problem in problems)
    return int(next(found, HTTPStatus.BAD_REQUEST))


class ProblemDocument(msgspec.Struct, frozen=True):
    """What is wrong (RFC 9457). Some problems have further members."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class ProblemError(Exception):
    """Ends a request with a problem document.

    Parameters
    ----------
    detail
        One sentence for whoever sent the request; never the text of another error.
    headers, members
        Further headers, and further members of the document.
    """

    def __init__(
        self,
        status: HTTPStatus,
        problem: ProblemType,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = problem
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def invalid(detail: str) -> ProblemError:
    """The request makes no sense as it is."""
    return ProblemError(HTTPStatus.BAD_REQUEST, ProblemType.INVALID_REQUEST, detail)


def unavailable(problem: ProblemType, detail: str, *, retry_after_s: int, **members: Any) -> ProblemError:
    """What was asked for can't be had right now; the same request may go through after that time."""
    headers = {"Retry-After": str(retry_after_s)}
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, problem, detail, headers=headers, members=members)


def problem_response(error: ProblemError, request_id: str) -> web.Response:
    """The document that tells an error."""
    document = {
        "type": f"urn:ubi:problem:{error.problem}",
        "title": error.status.phrase,
        "status": error.status.value,
        "detail": error.detail,
        "request_id": request_id,
        **error.members,
    }
    return web.Response(
        body=msgspec.json.encode(document), status=error.status, headers=error.headers, content_type=CONTENT_TYPE
    )


def json_response(
    document: object, *, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer as JSON. NaN and infinity become null."""
    body = msgspec.json.encode(document)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
