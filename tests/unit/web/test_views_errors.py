"""Every answer is safe to show, every error is a problem document without an inside."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp import ClientResponse

from support.web_worker import Client, MemoryWorker, Serve, path_of
from ubi_stream.ids import log_hash
from ubi_stream.runtime.logs import configure_logging
from ubi_stream.settings import Settings
from ubi_stream.state.model import UserState
from ubi_stream.web.problems import ProblemType

MEMBERS = {"type", "title", "status", "detail", "request_id"}


async def problem_of(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(await response.read())
    assert document.keys() >= MEMBERS
    assert document["status"] == response.status
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert document["type"].removeprefix("urn:ubi:problem:") in set(ProblemType)
    return document


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/users", "/api/v1/users/", "/static/../app.py"])
async def test_unknown_routes(client: Client, path: str) -> None:
    document = await problem_of(await client.get(path))
    assert (document["status"], document["type"]) == (404, "urn:ubi:problem:no-such-route")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_the_views_only_read(client: Client, method: str) -> None:
    response = await client.request(method, "/api/v1/insights")
    document = await problem_of(response)
    assert (document["status"], document["type"]) == (405, "urn:ubi:problem:method-not-allowed")
    assert response.headers["Allow"] == "GET, HEAD"


async def test_head_is_answered_like_get_without_the_body(client: Client) -> None:
    response = await client.head("/api/v1/models")
    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("body", [b"x", b"x" * 100_000], ids=["small", "large"])
async def test_a_body_is_refused(client: Client, body: bytes) -> None:
    response = await client.request("GET", "/api/v1/models", data=body)
    document = await problem_of(response)
    assert (document["status"], document["type"]) == (413, "urn:ubi:problem:unexpected-body")
    assert response.headers["Connection"] == "close"


@pytest.mark.parametrize("path", ["/", "/static/app.js", "/health/live", "/metrics", "/api/v1/models", "/nothing"])
async def test_every_answer_has_the_headers_that_bind_browsers(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "ubi-stream"
    assert headers["Cache-Control"] == ("no-cache" if path in ("/", "/static/app.js") else "no-store")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_3", True),
        ("", False),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("ä", False),
        ("<x>", False),
    ],
)
async def test_a_harmless_request_id_is_kept_any_other_replaced(client: Client, given: str, kept: bool) -> None:
    response = await client.get("/health/live", headers={"X-Request-Id": given})
    answered = response.headers["X-Request-Id"]
    assert (answered == given) == kept
    assert kept or len(answered) == 32


class BrokenWorker(MemoryWorker):
    """Has a bug that quotes a user."""

    def state_of(self, entity: str, entity_id: str) -> UserState | None:
        raise KeyError(f"secret of {entity_id}")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log lines as a worker writes them."""
    root = logging.getLogger()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logging(Settings(), stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_a_bug_is_logged_with_the_request_s_id_and_told_as_nothing_but_a_bug(
    serve: Serve, log: io.StringIO
) -> None:
    client = await serve(BrokenWorker())
    response = await client.get(path_of("ann@example.org"))
    document = await problem_of(response)
    assert (document["status"], document["type"]) == (500, "urn:ubi:problem:internal")
    assert document.keys() == MEMBERS
    text = await response.text()
    assert not [inside for inside in ("secret", "KeyError", "Traceback", ".py", "ann") if inside in text]
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [(line["event"], line["request_id"]) for line in lines] == [("view_failed", document["request_id"])]
    assert lines[0]["route"] == "/api/v1/users/{id}"
    assert lines[0]["error"] == "KeyError"
    assert "ann@example.org" not in log.getvalue()
    assert log_hash("ann@example.org") not in (await response.text())


async def test_answered_requests_leave_no_line_in_the_log(client: Client, log: io.StringIO) -> None:
    for path in ("/api/v1/users/u1", "/api/v1/users/nobody", "/api/v1/insights?limit=0", "/nothing"):
        await client.get(path)
    assert log.getvalue() == ""


async def test_without_a_database_insights_are_a_503_and_profiles_are_not(client: Client) -> None:
    for path in ("/api/v1/insights", "/api/v1/users/u1/insights", "/api/v1/segments"):
        response = await client.get(path)
        document = await problem_of(response)
        assert (document["status"], document["type"]) == (503, "urn:ubi:problem:database-unavailable")
        assert int(response.headers["Retry-After"]) > 0
    assert (await client.get("/api/v1/users/u1")).status == 200
