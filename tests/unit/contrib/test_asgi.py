"""The ASGI middleware around an application written by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest

from support.tracked import PlayedCollector, StuckCollector, batcher_to
from ubi_stream.contrib.asgi import BehavioralTrackingMiddleware, Message, Receive, Scope, Send
from ubi_stream.contrib.rules import Rule


async def host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 201, raises at /broken, and starts and stops when it is told."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/broken":
        raise LookupError("the host's own")
    scope["user"] = scope["state"].get("who")
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"ok"})


class User:
    identity = "u-1"


async def call(app: Any, path: str = "/a", *, who: Any = None, **more: Any) -> list[Message]:
    """What an application sends for a request."""
    sent: list[Message] = []
    headers = more.pop("headers", {})
    scope = {
        "type": "http",
        "method": more.pop("method", "GET"),
        "path": path,
        "query_string": more.pop("query", b""),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "scheme": "https",
        "state": {"who": who},
        **more,
    }

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def events_of(app: BehavioralTrackingMiddleware, collector: PlayedCollector) -> list[dict[str, Any]]:
    await app.batcher.close()
    return collector.accepted


def tracked(**options: Any) -> tuple[BehavioralTrackingMiddleware, PlayedCollector]:
    collector = PlayedCollector()
    return BehavioralTrackingMiddleware(host, batcher=batcher_to(collector), **options), collector


async def test_a_request_is_a_page_view_of_its_user() -> None:
    app, collector = tracked()
    start, _ = await call(app, "/a", who=User(), query=b"token=abc")
    (event,) = await events_of(app, collector)
    assert start["status"] == 201
    assert start["headers"][0] == (b"x-own", b"1")
    cookie = dict(start["headers"])[b"set-cookie"].decode()
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    session = cookie.split(";")[0].removeprefix("ubi_session=")
    assert UUID(session)
    duration = event["properties"].pop("duration_ms")
    assert 0 <= duration < 1_000
    assert event["properties"] == {"page_url": "/a", "method": "GET", "status": 201, "session_id": session}
    assert (event["event_type"], event["user_id"], event["session_id"]) == ("page_view", "u-1", session)
    assert event["sent_at"] >= event["event_time"]


async def test_a_session_goes_on_by_cookie_or_header() -> None:
    app, collector = tracked()
    session = "5a3f7e8e-0000-4000-8000-000000000000"
    for headers in ({"cookie": f"a=b; ubi_session={session}"}, {"X-Session-Id": "s-2"}):
        (start, _) = await call(app, headers=headers)
        assert b"set-cookie" not in dict(start["headers"])
    first, second = await events_of(app, collector)
    assert (first["session_id"], first["user_id"]) == (session, session)  # nobody is logged in
    assert second["session_id"] == "s-2"


@pytest.mark.parametrize(
    "headers", [{"cookie": "ubi_session=<script>"}, {"x-session-id": "x" * 101}, {"cookie": "\x01"}]
)
async def test_a_session_that_nobody_gave_is_a_new_one(headers: dict[str, str]) -> None:
    app, _ = tracked()
    start, _ = await call(app, headers=headers)
    assert b"set-cookie" in dict(start["headers"])
    await app.batcher.close()


async def test_what_the_host_raises_goes_on_and_is_a_500() -> None:
    app, collector = tracked()
    with pytest.raises(LookupError, match="the host's own"):
        await call(app, "/broken")
    (event,) = await events_of(app, collector)
    assert event["properties"]["status"] == 500


async def test_the_query_is_kept_on_wish_without_its_secrets() -> None:
    app, collector = tracked(keep_query=True)
    await call(app, query=b"q=shoes&token=abc&mail=bob%40example.com")
    (event,) = await events_of(app, collector)
    assert event["properties"]["page_url"] == "/a?q=shoes&token=[filtered]&mail=[email]"


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {"path": "/health"}),
        ({}, {"headers": {"dnt": "1"}}),
        ({}, {"headers": {"sec-gpc": "1"}}),
        ({"consent": lambda scope: False}, {}),
        ({"rules": [Rule("/a", "GET", None)]}, {}),
        ({"anonymous": False}, {}),
        ({}, {"method": "OPTIONS"}),
    ],
    ids=["excluded", "do not track", "global privacy control", "no consent", "dropped by rule", "nobody", "preflight"],
)
async def test_no_event(options: dict[str, Any], more: dict[str, Any]) -> None:
    app, collector = tracked(**options)
    sent = await call(app, **more)
    assert await events_of(app, collector) == []
    assert sent[0]["status"] == 201
    if "anonymous" not in options:
        assert b"set-cookie" not in dict(sent[0]["headers"])


async def test_a_fault_of_ours_is_counted_and_the_host_never_notices() -> None:
    def fails(_: Any) -> Any:
        raise RuntimeError("ours")

    for options in ({"user_of": fails}, {"consent": fails}):
        app, collector = tracked(**options)
        (start, body) = await call(app)
        assert (start["status"], body["body"]) == (201, b"ok")
        assert await events_of(app, collector) == []
        assert app.batcher.status()["errors"] == 1


async def test_a_collector_that_hangs_makes_nobody_wait_and_memory_stays() -> None:
    batcher = batcher_to(StuckCollector(), batch_size=1, max_buffered=50)
    app = BehavioralTrackingMiddleware(host, batcher=batcher)
    for _ in range(200):
        start, _ = await call(app)
        assert start["status"] == 201
    status = batcher.status()
    assert (status["current_batch_count"], status["dropped"]) == (50, 150)
    await batcher.close(within_s=0)


async def test_events_that_wait_go_when_the_host_stops() -> None:
    app, collector = tracked()
    await call(app)
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert len(collector.accepted) == 1
    assert collector.closed


async def test_websockets_pass() -> None:
    seen: list[str] = []

    async def other(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await call(BehavioralTrackingMiddleware(other, batcher=batcher_to(PlayedCollector())), type="websocket")
    assert seen == ["websocket"]


BLOCKED = """
import sys
for name in ("faust", "mode", "numpy", "river", "pydantic", "msgspec", "orjson", "asyncpg", "aiokafka", "structlog",
             "prometheus_client", "typer", "rich", "uvloop", "aiohttp"):
    sys.modules[name] = None
import ubi_stream.contrib.asgi
app = ubi_stream.contrib.asgi.BehavioralTrackingMiddleware(None)
assert app.capture.search("u-1", "shoes")
del sys.modules["aiohttp"]
import ubi_stream.contrib.aiohttp
print(sorted(name for name in sys.modules if name.startswith("ubi_stream.")))
"""


def test_it_needs_none_of_the_engines_packages() -> None:
    run = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    rooms = {name.split(".")[1].rstrip("']") for name in run.stdout.split("'") if name.startswith("ubi_stream.")}
    assert rooms == {"clock", "contrib", "privacy"}
