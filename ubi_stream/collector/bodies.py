"""Reads bodies within limits: JSON, base64, forms, and what a sender compressed without a header that says so."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from ubi_stream.collector.request import BadRequestError

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Compressed body: the default of the collectors that people come from."""
MAX_DECODED_BYTES: Final = 8 * 1024 * 1024
"""Decompressed body: JSON of 2,500 events of 3 kB."""
MAX_CALLS: Final = 5_000
"""Events of one request: a request is processed in one go, in about half a second."""

_GZIP: Final = b"\x1f\x8b"
_decode = msgspec.json.Decoder().decode


def read_json(body: bytes) -> Any:
    """The body as JSON.

    Raises
    ------
    BadRequestError
        It is empty, or no JSON in UTF-8.
    """
    if not body.strip():
        raise BadRequestError("empty_body", "The body is empty: JSON was expected")
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequestError("invalid_json", "The body is not valid JSON in UTF-8") from None


def read_calls(value: object, field: str = "batch") -> list[Any]:
    """A list of calls.

    Raises
    ------
    BadRequestError
        It is no list, empty, or too long.
    """
    if not isinstance(value, list):
        raise BadRequestError("invalid_batch", f"{field} is no list")
    if not value:
        raise BadRequestError("empty_batch", f"{field} is empty")
    if len(value) > MAX_CALLS:
        raise BadRequestError("too_many_events", f"{field} has {len(value)} events, at most {MAX_CALLS} are allowed")
    return value


def inflated(body: bytes) -> bytes:
    """What gzip packed; a body that is not packed, as it is.

    Raises
    ------
    BadRequestError
        It is damaged, or larger than `MAX_DECODED_BYTES`.
    """
    if not body.startswith(_GZIP):
        return body
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(body, MAX_DECODED_BYTES)
    except zlib.error:
        raise BadRequestError("invalid_encoding", "The body is damaged gzip") from None
    if not unpack.eof:
        too_large = bool(unpack.unconsumed_tail)
        raise BadRequestError(
            "body_too_large" if too_large else "invalid_encoding",
            f"The body has more than {MAX_DECODED_BYTES} bytes" if too_large else "The body is cut off gzip",
        )
    return found


def from_base64(text: str | bytes) -> bytes:
    r"""Bytes of base64 or base64url, padded or not; spaces stand for `+`, which forms turn into them.

    Raises
    ------
    ValueError
        It is none.

    >>> from_base64("eyJhIjoxfQ"), from_base64(b"_w==")
    (b'{"a":1}', b'\xff')
    """
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    raw = raw.strip().translate(bytes.maketrans(b"-_ ", b"+/+")).rstrip(b"=")
    try:
        return b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def form_field(body: bytes, name: str) -> str | None:
    """A field of a form; None where it has none of that name."""
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=100)
    except (UnicodeDecodeError, ValueError):
        return None
    return found[name][0] if name in found else None
