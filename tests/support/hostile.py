"""Requests of somebody who means harm, as bytes on a connection."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import backports.zstd as zstd

BOMB: Final = gzip.compress(b"\0" * 20_000_000)
"""20 MB in 20 kB."""
ZSTD_BOMB: Final = zstd.compress(b"\0" * 20_000_000)
DEEP: Final = b'{"user_id":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


class Attack(NamedTuple):
    """One request: its kind, and what is sent."""

    kind: str
    sent: bytes


def attacks(number: int, seed: int) -> Iterator[Attack]:
    """So many requests, of every kind in turn."""
    rng = random.Random(seed)
    kinds = list(_KINDS.items())
    for at in range(number):
        name, make = kinds[at % len(kinds)]
        yield Attack(name, make(rng))


async def answer(host: str, port: int, attack: Attack, *, within_s: float = 10.0) -> int | None:
    """Send a request; the status that comes back, None where the connection is closed without one."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(attack.sent)
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.transport.abort()
    except ConnectionError:
        return None
    words = line.split(b" ")
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else None


def _request(method: str, target: str, *headers: str, body: bytes = b"", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    own = [f"Content-Length: {size}"] if body or length is not None else []
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", *own, *headers])
    return head.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


_JSON: Final = "Content-Type: application/json"


def _oversize(rng: random.Random) -> bytes:
    return _request("POST", "/take", _JSON, body=b"x" * 1_000, length=rng.choice([10**6, 10**9, 10**15]))


def _chunked(rng: random.Random) -> bytes:
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    return _request("POST", "/take", _JSON, "Transfer-Encoding: chunked") + chunk * rng.randint(4, 12)


def _bomb(rng: random.Random) -> bytes:
    encoding, body = rng.choice([("gzip", BOMB), ("deflate", zlib.compress(b"\0" * 10_000_000)), ("zstd", ZSTD_BOMB)])
    return _request("POST", "/take", _JSON, f"Content-Encoding: {encoding}", body=body)


def _deep(rng: random.Random) -> bytes:
    body = rng.choice([DEEP, b"[" * 60_000, b'{"a":' * 10_000, b"[" + b"1," * 30_000])
    return _request("POST", "/take", _JSON, body=body)


def _encoding(rng: random.Random) -> bytes:
    name = rng.choice(["gzip", "deflate", "zstd", "br", "identity, gzip", "gzip, gzip", "x" * 500])
    return _request("POST", "/take", _JSON, f"Content-Encoding: {name}", body=rng.randbytes(200))


def _text(rng: random.Random) -> bytes:
    body = rng.choice([b"\xff\xfe{}", b'"\xed\xa0\x80"', b'{"a":NaN}', b'{"a":1e999}', b"", rng.randbytes(50)])
    return _request("POST", "/take", _JSON, body=body, length=len(body))


def _headers(rng: random.Random) -> bytes:
    many = [f"X-{n}: {'y' * rng.randint(0, 60)}" for n in range(rng.choice([200, 2_000]))]
    return _request(
        "GET", "/api/v1/models", *rng.choice([many, ["X-Long: " + "y" * 20_000], ["Cookie: " + "a=b; " * 5_000]])
    )


def _path(rng: random.Random) -> bytes:
    target = rng.choice(
        ["/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/static/..%2f..%2fapp.py", "//api/v1/models",
         "/api/v1/users/%00", "/api/v1/users/..%2f..%2fmetrics", "/api/v1/users/" + "%ff" * 300, "/API/V1/models",
         "/api/v1/models/", "/api/v1/models;a=b", "http://evil.example/api/v1/models", "*", "/" + "a" * 9_000,
         "/api/v1/models%20", "/api/v1/insights?" + "&".join(f"a{n}=1" for n in range(500)),
         "/api/v1/insights?limit=1&limit=2", "/api/v1/insights?user_id=%00", "/api/v1/insights?user_id=%ff%fe",
         "/api/docs/../openapi.json", "/\\..\\..\\etc\\passwd"]
    )  # fmt: skip
    return _request(rng.choice(["GET", "HEAD"]), target)


def _method(rng: random.Random) -> bytes:
    method = rng.choice(["TRACE", "CONNECT", "FOO", "get", "PROPFIND", "G" * 100, "POST", "PUT", "DELETE"])
    return _request(method, "/api/v1/models", rng.choice(["X-HTTP-Method-Override: GET", "Upgrade: websocket", "A: b"]))


def _smuggle(rng: random.Random) -> bytes:
    inner = b"GET /api/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    lines = rng.choice(
        [("Transfer-Encoding: chunked", "Content-Length: 4"), ("Content-Length: 4", "Content-Length: 50"),
         ("Transfer-Encoding: xchunked",), ("Transfer-Encoding : chunked",), ("Content-Length: -1",),
         ("Content-Length: 0x10",), ("Content-Length: 4", "Transfer-Encoding: identity")]
    )  # fmt: skip
    return _request("POST", "/take", _JSON, *lines) + b"0\r\n\r\n" + inner


def _garbage(rng: random.Random) -> bytes:
    tls = b"\x16\x03\x01\x02\x00\x01" + rng.randbytes(100)
    old = [b"GET /api/v1/models\r\n\r\n", b"GET /api/v1/models HTTP/9.9\r\n\r\n"]
    other = [*old, b"\r\n" * 50 + b"GET", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    return rng.choice([rng.randbytes(300), tls, *other])


def _token(rng: random.Random) -> bytes:
    claims = {"sub": "admin", "roles": ["admin"], "exp": 4e9}
    parts = [json.dumps(part).encode() for part in ({"alg": rng.choice(["none", "HS256", "RS256", "ES256"])}, claims)]
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    signature = base64.urlsafe_b64encode(rng.randbytes(32)).decode().rstrip("=")
    credential = rng.choice(
        [f"Bearer {signed}.", f"Bearer {signed}.{signature}", "Bearer ubi_secret_" + "A" * 43 + "_00000000",
         "Basic " + base64.b64encode(rng.randbytes(30)).decode(), "Bearer", "Negotiate x", "Bearer " + "a." * 2_000]
    )  # fmt: skip
    return _request("GET", "/api/v1/models", f"Authorization: {credential}")


def _hop(rng: random.Random) -> bytes:
    given = rng.choice(["1", "true", "a.b.c", base64.urlsafe_b64encode(rng.randbytes(60)).decode(), ""])
    return _request("GET", "/api/v1/models", f"Ubi-Hop: {given}", "Authorization: Bearer x")


def _cookie(rng: random.Random) -> bytes:
    value = rng.choice(["x", "a.b.c", base64.urlsafe_b64encode(rng.randbytes(60)).decode()])
    return _request("GET", "/api/v1/models", f"Cookie: ubi-session={value}")


def _host(rng: random.Random) -> bytes:
    host = rng.choice(["evil.example", "[", "127.0.0.1:x", "localhost.evil.example", "", "127.0.0.1@evil.example"])
    return f"GET /api/v1/models HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n".encode()


_KINDS: Final[dict[str, Callable[[random.Random], bytes]]] = {
    "oversize": _oversize,
    "chunked": _chunked,
    "bomb": _bomb,
    "deep": _deep,
    "encoding": _encoding,
    "text": _text,
    "headers": _headers,
    "path": _path,
    "method": _method,
    "smuggle": _smuggle,
    "garbage": _garbage,
    "token": _token,
    "hop": _hop,
    "cookie": _cookie,
    "host": _host,
}
