"""What stands between SDKs and a collector: it refuses, loses answers, and remembers what came, to send it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from aiohttp import web

_HOP_HEADERS: Final = frozenset(("host", "connection", "content-length", "accept-encoding", "transfer-encoding"))


class UnreliableProxy:
    """Passes requests on to a collector.

    Attributes
    ----------
    refuse_first, lose_first
        How many requests of each client to a path are answered by 429 without being passed on; and, of those after
        them, how many are passed on and answered by 503, as if the answer was lost.
    taken
        Requests that the collector took: method, path with query, headers, body.
    """

    def __init__(self, target: Callable[[], str], *, refuse_first: int = 0, lose_first: int = 0) -> None:
        self._target = target
        self.refuse_first, self.lose_first = refuse_first, lose_first
        self.taken: list[tuple[str, str, dict[str, str], bytes]] = []
        self.statuses: Counter[int] = Counter()
        self._seen: Counter[str] = Counter()
        self.url = ""

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, str]:
        """Pass a request on: status, body and content type of the answer; 503 where nobody answers."""
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=True) as http,
                http.request(method, self._target() + path, headers=headers, data=body or None) as answer,
            ):
                return answer.status, await answer.read(), answer.content_type
        except aiohttp.ClientError:
            return 503, b'{"code": "away", "message": "away"}', "application/json"

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        sender = request.path + request.headers.get("User-Agent", "")
        self._seen[sender] += 1
        number = self._seen[sender]
        if request.method == "GET":  # a client of ours sends what is refused here never again, whatever the answer says
            number = self.refuse_first + self.lose_first + 1
        if number <= self.refuse_first:
            status = 503 if "/i/v1/" in request.path else 429  # to which clients of this route do not come back
            self.statuses[status] += 1
            return web.json_response({"code": "busy", "message": "busy"}, status=status, headers={"Retry-After": "0"})
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        status, answer, content_type = await self.send(request.method, request.path_qs, headers, body)
        if status == 200:
            self.taken.append((request.method, request.path_qs, headers, body))
            if number <= self.refuse_first + self.lose_first:
                status, answer, content_type = 503, b'{"code": "lost", "message": "lost"}', "application/json"
        self.statuses[status] += 1
        return web.Response(status=status, body=answer, content_type=content_type)


@asynccontextmanager
async def serving(proxy: UnreliableProxy) -> AsyncIterator[UnreliableProxy]:
    """Serve a proxy on a free port."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", proxy._handle)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield proxy
    finally:
        await runner.cleanup()
