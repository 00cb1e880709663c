"""Short-lived tokens that workers of one installation sign for each other and for a browser's session.

Both are JSON Web Tokens (RFC 7519) under keys derived from one secret: a token for one purpose is none for another.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from ubi_stream.clock import Clock
from ubi_stream.web.security.principal import Principal

HOP_S: Final = 15.0
"""A hop takes two seconds at most; the rest is for clocks that differ."""
_MAX_TOKEN: Final = 4_096
_ALGORITHM: Final = "HS256"


class Signer:
    """Signs and reads the tokens of one purpose.

    Parameters
    ----------
    secret
        What all workers of an installation share, at least 16 bytes.

    >>> from ubi_stream.clock import ManualClock
    >>> clock = ManualClock(1_000_000)
    >>> signer = Signer(b"0123456789abcdef", "hop", clock)
    >>> token = signer.sign({"p": "/"}, for_s=15)
    >>> signer.read(token)["p"], Signer(b"0123456789abcdef", "session", clock).read(token)
    ('/', None)
    >>> clock.advance_ms(15_001)
    >>> signer.read(token) is None
    True
    """

    def __init__(self, secret: bytes, purpose: str, clock: Clock) -> None:
        assert len(secret) >= 16, "a secret has at least 128 bits"
        self._key = OctKey.import_key(hmac.digest(secret, purpose.encode(), "sha256"))
        self._clock = clock

    def sign(self, claims: dict[str, Any], *, for_s: float) -> str:
        """A token with these claims that is good for so long."""
        expires = self._clock.now_ms() / 1000 + for_s
        return jwt.encode({"alg": _ALGORITHM}, {**claims, "exp": expires}, self._key)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token; None if it was not signed here, was changed, or is over."""
        if len(token) > _MAX_TOKEN:
            return None
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):  # ValueError: no base64, no text
            return None
        expires = claims.get("exp")
        fresh = isinstance(expires, int | float) and self._clock.now_ms() / 1000 < expires
        return claims if fresh else None


class Hops:
    """Tokens by which a worker vouches for a request that it sends on: for this request alone, for some seconds."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._signer = Signer(secret, "hop", clock)

    def sign(self, principal: Principal, method: str, target: str, body: bytes) -> str:
        """The token of a request; `target` is its encoded path and query."""
        claims = {"req": _digest(method, target, body), "for": msgspec.to_builtins(principal)}
        return self._signer.sign(claims, for_s=HOP_S)

    def read(self, token: str, method: str, target: str, body: bytes) -> Principal | None:
        """For whom another worker sends this request; None if it is not so."""
        claims = self._signer.read(token)
        if claims is None or not hmac.compare_digest(str(claims.get("req")), _digest(method, target, body)):
            return None
        return msgspec.structs.replace(msgspec.convert(claims["for"], Principal), hop=True)


def _digest(method: str, target: str, body: bytes) -> str:
    return hashlib.sha256(b"\0".join((method.encode(), target.encode(), body))).hexdigest()
