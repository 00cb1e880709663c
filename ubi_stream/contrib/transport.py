"""Posts bodies to a collector over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import aiohttp

PATH: Final = "/api/v1/events"
_TIMEOUT_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 1024 * 1024


class HttpReply(NamedTuple):
    """What a collector said: the status, events that it rejected, and when to try again, if it says so."""

    status: int
    rejected: int = 0
    retry_after_s: float | None = None


class HttpTransport:
    """Requests to one collector, over connections that stay open.

    Parameters
    ----------
    url
        Address of the collector, without a path.
    key
        An ingest key.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/") + PATH
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes) -> HttpReply | None:
        """The collector's answer; None where there was none within 10 s."""
        import aiohttp  # noqa: PLC0415 - the middleware must be importable in a host that never sends

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar()
            )
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                content = await response.content.read(_MAX_ANSWER_BYTES)
                return HttpReply(
                    response.status, _rejected(response, content), _seconds(response.headers.get("Retry-After"))
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _rejected(response: aiohttp.ClientResponse, content: bytes) -> int:

    if response.status != 200:
        return 0
    try:
        document: Any = json.loads(content)
        return len(document["rejected"])
    except (ValueError, KeyError, TypeError):
        return 0


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None
