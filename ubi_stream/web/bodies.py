"""Reads the body of a request: its type, its size as sent and undone, its time, and its JSON."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
from aiohttp import hdrs, web

from ubi_stream.web.problems import ProblemError, ProblemType, invalid
from ubi_stream.web.routes import Body
from ubi_stream.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_ZSTD_WINDOW: Final[dict[int, int]] = {DecompressionParameter.window_log_max: 23}
"""A frame may ask for 8 MiB of memory, as browsers allow, instead of 128."""
_CLOSE: Final = {hdrs.CONNECTION: "close"}


async def read_body(request: web.Request, body: Body) -> bytes:
    """The body of a request, its encoding undone. The web server must not undo it before.

    Raises
    ------
    ProblemError
        415 for another content type or encoding, 413 for what is too large, 400 for what came too slowly or is
        damaged. The connection is closed: the rest of the body is not read.
    """
    if body.media_types and request.content_type not in body.media_types:
        # A form of another site's page can't say application/json without a preflight.
        raise _refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            f"The body is not sent as {' or '.join(body.media_types)}",
        )
    decode = _decoder(request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower(), body)
    try:
        async with asyncio.timeout(body.within_s):
            sent = await _read(request, body.max_bytes)
    except TimeoutError:
        raise _refused(
            HTTPStatus.REQUEST_TIMEOUT, ProblemType.BODY_TOO_SLOW, f"The body did not come within {body.within_s:g} s"
        ) from None
    return decode(sent)


def read_document(body: bytes, kind: object) -> object:
    """A JSON body as what the route takes.

    Raises
    ------
    ProblemError
        It is not JSON, nested too deeply, or not of that kind: the message says where.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(f"The body is not as expected: {str(error)[:300]}") from None
    except RecursionError:
        raise invalid("The body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid("The body is not JSON") from None


async def _read(request: web.Request, most: int) -> bytes:
    if request.content_length is not None and request.content_length > most:
        raise _too_large(most)
    found = bytearray()
    async for chunk in request.content.iter_any():
        found += chunk
        if len(found) > most:
            raise _too_large(most)
    return bytes(found)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


_ENCODINGS: Final[dict[str, Callable[[], _Decompressor]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16),
    "deflate": zlib.decompressobj,
    "zstd": lambda: ZstdDecompressor(options=_ZSTD_WINDOW),
}


def _decoder(encoding: str, body: Body) -> Callable[[bytes], bytes]:
    if encoding in ("identity", ""):
        return lambda sent: sent
    if encoding not in body.encodings:
        raise _refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            ProblemType.UNSUPPORTED_MEDIA_TYPE,
            f"The body's encoding is not one of: {', '.join(('identity', *body.encodings))}",
            headers={hdrs.ACCEPT_ENCODING: ", ".join(body.encodings) or "identity"},
        )
    return lambda sent: decompress(sent, encoding, body.max_decoded_bytes or body.max_bytes)


def decompress(sent: bytes, encoding: str, most: int) -> bytes:
    """Undo an encoding, up to so many bytes.

    Raises
    ------
    ProblemError
        It has more bytes (413), or is damaged or incomplete (400).

    >>> import gzip
    >>> decompress(gzip.compress(b"{}"), "gzip", 10)
    b'{}'
    """
    decompressor = _ENCODINGS[encoding]()
    try:
        found = decompressor.decompress(sent, most + 1)
    except (zlib.error, ZstdError):
        raise invalid(f"The body is not {encoding}") from None
    if len(found) > most:
        raise _too_large(most)
    if not decompressor.eof or decompressor.unused_data:
        raise invalid(f"The body is not one whole {encoding} stream")
    return found


def _too_large(most: int) -> ProblemError:
    return _refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ProblemType.BODY_TOO_LARGE, f"The body has more than {most:,} bytes"
    )


def _refused(
    status: HTTPStatus, problem: ProblemType, detail: str, *, headers: dict[str, str] | None = None
) -> ProblemError:
    return ProblemError(status, problem, detail, headers=_CLOSE | (headers or {}))
