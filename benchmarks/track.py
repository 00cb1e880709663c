"""What the tracking middleware adds to a host's requests: `python -m benchmarks.track`.

A small ASGI host is called with and without the middleware in turn, as a server would, with the headers that a browser
sends. The collector answers in one run, and is away in another.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any, Final

from ubi_stream.contrib.asgi import BehavioralTrackingMiddleware, Message, Receive, Scope, Send
from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.rules import Rule
from ubi_stream.contrib.transport import HttpReply

HEADERS: Final = [
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"de-DE,de;q=0.8,en;q=0.6"),
    (b"cookie", b"theme=dark; ubi_session=5a3f7e8e-0000-4000-8000-000000000000; cart=12"),
]


class Collector:
    """Answers at once, or not at all."""

    def __init__(self, *, away: bool) -> None:
        self._away = away

    async def post(self, body: bytes) -> HttpReply | None:
        return None if self._away else HttpReply(200)

    async def close(self) -> None:
        return None


async def host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a page of 2 kB."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": b"x" * 2_048})


async def seconds_of(app: Any, number: int) -> float:
    """Time of one request."""

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        return None

    path = f"/products/{number}"
    query = b"utm_source=mail&q=head%20phones"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": HEADERS, "state": {}}
    started_s = time.perf_counter()
    await app(scope, receive, send)
    return time.perf_counter() - started_s


async def measure(requests: int, *, away: bool) -> str:
    """Milliseconds that the middleware adds, at the median and the 95th and 99th of a hundred."""
    batcher = EventBatcher("http://unused.example", transport=Collector(away=away), max_buffered=1_000)
    rules = [Rule("/products/{id}", "GET", "view", {"product_id": "path.id", "campaign": "query.utm_source"})]
    tracked = BehavioralTrackingMiddleware(host, batcher=batcher, rules=rules, keep_query=True)
    plain_s: list[float] = []
    tracked_s: list[float] = []
    for number in range(requests):
        plain_s.append(await seconds_of(host, number))
        tracked_s.append(await seconds_of(tracked, number))
        if number % 20 == 0:
            await asyncio.sleep(0)  # as a server between requests
    await batcher.close(within_s=0.5)
    added = [
        1_000 * (sorted(tracked_s)[place] - sorted(plain_s)[place])
        for place in (requests // 2, requests * 95 // 100, requests * 99 // 100)
    ]
    counts = batcher.counts
    return (
        f"{'collector away' if away else 'collector there':16} +{added[0]:.3f} ms  p95 +{added[1]:.3f} ms  "
        f"p99 +{added[2]:.3f} ms  of {counts.captured}: {counts.sent} sent, {counts.dropped} dropped"
    )


def main() -> None:
    """Print what is added."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    requests = parser.parse_args().requests
    for away in (False, True):
        print(asyncio.run(measure(requests, away=away)))


if __name__ == "__main__":
    main()
