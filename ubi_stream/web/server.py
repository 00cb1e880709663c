"""The server that runs an application beside the stream: it listens, bounds connections, and stops."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from ubi_stream.errors import ConfigError
from ubi_stream.settings import Settings
from ubi_stream.web.address import local_url

MAX_CONNECTIONS: Final = 2_000
"""Connections of one worker, streams of insights among them; each has some 30 kB."""

FIRST_REQUEST_S: Final = 10.0
"""A client that works sends its first request within a second; one that sends a letter a second holds a connection."""

_BACKLOG: Final = 128

_STOP_WITHIN_S: Final = 2.0
"""Time for requests under way when the worker stops."""

_KEEP_ALIVE_S: Final = 75.0
"""Longer than the idle time of common proxies, so that these close first."""

_LINGERING_S: Final = 1.0
"""How long a body that nobody wants is read and dropped, so that its sender sees the answer."""

WAITING: Final[web.AppKey[set[asyncio.Protocol]]] = web.AppKey("waiting", set)
"""Connections whose first request has not come yet."""

_QUIET: Final = logging.Logger("ubi_stream.web.connections", logging.CRITICAL + 1)
"""What is no HTTP is answered 400 and not logged: a line would quote it, keys and all, as often as somebody likes."""


@web.middleware
async def note_first_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note that a request has come on a connection."""
    request.app[WAITING].discard(request.protocol)
    return await handler(request)


class _Closed(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class WebServer:
    """Serves an application on a host and port until it is stopped.

    Parameters
    ----------
    port
        0 takes a free one; `url` says which.
    tls
        Certificate of the views; None serves them without.
    most
        Connections at the same time; further ones are closed at once.
    first_request_s
        How long a connection may take until its first request has come, headers and all.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        most: int = MAX_CONNECTIONS,
        first_request_s: float = FIRST_REQUEST_S,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._most = most
        self._first_request_s = first_request_s
        self._waiting = app[WAITING]
        self._listener: asyncio.Server | None = None
        # No access log: its lines have users' ids in them, and requests are no notable things.
        self._runner = web.AppRunner(
            app,
            logger=_QUIET,
            access_log=None,
            auto_decompress=False,  # bodies are undone within their routes' limits
            handle_signals=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            lingering_time=_LINGERING_S,
            shutdown_timeout=_STOP_WITHIN_S,
        )

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            The address can't be had.
        """
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connection,
                self._host,
                self._port,
                ssl=self._tls,
                ssl_handshake_timeout=self._first_request_s if self._tls else None,
                backlog=_BACKLOG,
            )
        except OSError as error:
            await self._runner.cleanup()
            what = f"The views can't listen on {self._host}:{self._port}"
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"{what}: another program does, perhaps another worker. Choose another port by UBI_WEB_PORT or "
                    "--web-port; 0 takes a free one"
                ) from error
            raise ConfigError(
                f"{what} ({error.strerror or type(error).__name__}): set UBI_WEB_HOST to an address of this machine "
                "and UBI_WEB_PORT to a port that may be used, or to 0"
            ) from error

    async def stop(self) -> None:
        """Finish requests under way, for up to 2 s, and close. Stopping twice, or what never started, is fine."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        self._waiting.clear()

    def _connection(self) -> asyncio.Protocol:
        """What answers a new connection."""
        server = self._runner.server
        assert server is not None, "connections come while it is started"
        if len(server.connections) >= self._most:
            return _Closed()
        handler = server()
        self._waiting.add(handler)
        asyncio.get_running_loop().call_later(self._first_request_s, self._close_if_silent, handler)
        return handler

    def _close_if_silent(self, handler: asyncio.Protocol) -> None:
        if handler in self._waiting:
            self._waiting.discard(handler)
            transport = getattr(handler, "transport", None)
            if transport is not None:
                transport.abort()

    @property
    def url(self) -> str:
        """Address of the views, as this machine reaches them; to be asked once it is started."""
        assert self._listener is not None, "it is started"
        return local_url(*self._listener.sockets[0].getsockname()[:2], scheme="https" if self._tls else "http")


def advertised_url(settings: Settings, url: str) -> str:
    """Address of the views for other workers: on all addresses means by the name of this machine."""
    if settings.advertised_url:
        return settings.advertised_url
    everywhere = settings.web_host in ("0.0.0.0", "::")
    return str(URL(url).with_host(socket.gethostname())) if everywhere else url
