"""Whatever goes wrong is told as a problem document; what is a bug is logged, and told as nothing but that."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ubi_stream.sinks.queries import InvalidQueryError
from ubi_stream.web.middleware.request_id import current_request_id
from ubi_stream.web.problems import ProblemError, ProblemType, invalid, problem_response

_log = structlog.get_logger(__name__)


@web.middleware
async def errors_as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors of views and of the router into problem documents."""
    try:
        return await handler(request)
    except ProblemError as error:
        problem = error
    except InvalidQueryError as error:
        problem = invalid(str(error))  # its messages are written for whoever asks
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        problem = ProblemError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            ProblemType.METHOD_NOT_ALLOWED,
            f"This route takes {allowed}",
            headers={"Allow": allowed},
        )
    except web.HTTPException as error:
        problem = _of_router(error)
    except Exception:  # noqa: BLE001  # the last line: a bug in one view must not show its inside
        _log.exception("view_failed", route=_route(request))
        problem = ProblemError(
            HTTPStatus.INTERNAL_SERVER_ERROR, ProblemType.INTERNAL, "Something went wrong here; the log knows more"
        )
    return problem_response(problem, current_request_id())


def _of_router(error: web.HTTPException) -> ProblemError:
    if error.status == HTTPStatus.NOT_FOUND:
        return ProblemError(HTTPStatus.NOT_FOUND, ProblemType.NO_SUCH_ROUTE, "There is no such route; see docs/api.md")
    return ProblemError(HTTPStatus(error.status), ProblemType.INVALID_REQUEST, HTTPStatus(error.status).phrase)


def _route(request: web.Request) -> str:
    """The pattern of the route, which has no user's id in it."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
