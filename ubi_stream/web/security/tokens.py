"""JSON Web Tokens of an identity provider: whose they are, and which roles they bring."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

import aiohttp
import msgspec
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, OctKey, RSAKey

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.web.problems import ProblemType, unavailable
from ubi_stream.web.security.principal import Kind, Principal, Role

FRESH_S: Final = 300.0
"""Keys of a provider are fetched again after this time."""
AGAIN_S: Final = 30.0
"""A token with an unknown key id makes a worker fetch them at most so often."""
LEEWAY_S: Final = 30.0
"""Clocks of other machines differ."""
MAX_TOKEN: Final = 8_192
MIN_SECRET: Final = 32
_ROLES: Final = frozenset(role.value for role in Role)
_MAX_JWKS: Final = 256 * 1024
_FETCH_S: Final = 3.0
_log = structlog.get_logger(__name__)


class Jwks:
    """Public keys of an identity provider, fetched when they are needed and kept for a while."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: KeySet | None = None
        self._asked_s = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> Key | None:
        """The RSA key with an id; the only one where the token names none."""
        age_s = self._clock.monotonic_s() - self._asked_s
        found = self._find(key_id)
        if age_s > FRESH_S or (found is None and age_s > AGAIN_S):
            if self._fetching is None:  # one flight, whoever asks
                self._fetching = asyncio.create_task(self._fetch(), name="jwks")
            await asyncio.shield(self._fetching)
            found = self._find(key_id)
        if self._keys is None:
            raise unavailable(
                ProblemType.IDENTITY_UNAVAILABLE, "The identity provider's keys can't be fetched now", retry_after_s=5
            )
        return found

    def _find(self, key_id: str | None) -> Key | None:
        usable = [key for key in (self._keys.keys if self._keys else ()) if key.key_type == "RSA"]
        named = [key for key in usable if key_id is None or key.kid == key_id]
        return named[0] if len(named) == 1 else None

    async def _fetch(self) -> None:
        self._asked_s = self._clock.monotonic_s()
        try:
            timeout = aiohttp.ClientTimeout(total=_FETCH_S)
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
                http.get(self._url, allow_redirects=False) as answer,
            ):
                answer.raise_for_status()
                body = await answer.content.read(_MAX_JWKS)
            self._keys = KeySet.import_key_set(msgspec.json.decode(body))
        except (aiohttp.ClientError, TimeoutError, JoseError, ValueError, KeyError, TypeError) as error:
            _log.warning("jwks_not_fetched", error=type(error).__name__)  # the keys that are known stay good
        finally:
            self._fetching = None


class Tokens:
    """Reads bearer tokens.

    Parameters
    ----------
    secret
        Key of HS256; empty where no such token is taken.
    public_key, jwks
        Keys of RS256. An algorithm whose key is not set is refused: a token does not choose how it is checked.
    issuer, audience
        Required where set.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        secret: bytes = b"",
        public_key: Path | None = None,
        jwks: Jwks | None = None,
        issuer: str | None = None,
        audience: str | None = None,
    ) -> None:
        if secret and len(secret) < MIN_SECRET:
            raise ConfigError(f"UBI_JWT_SECRET has fewer than {MIN_SECRET} bytes: `openssl rand -hex 32` prints enough")
        self._clock = clock
        self._secret = OctKey.import_key(secret) if secret else None
        self._public = _read_public_key(public_key) if public_key else None
        self._jwks = jwks
        self._issuer, self._audience = issuer, audience

    @property
    def are_taken(self) -> bool:
        """Whether any token can be checked."""
        return bool(self._secret or self._public or self._jwks)

    async def read(self, token: str) -> Principal | None:
        """Whose token it is; None unless it is signed, whole and of this time.

        Raises
        ------
        ProblemError
            The provider's keys can't be had: 503.
        """
        if len(token) > MAX_TOKEN:
            return None
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = await self._key(header)
            if key is None:
                return None
            claims = jwt.decode(token, key, algorithms=[header["alg"]]).claims
        except (JoseError, ValueError, KeyError, TypeError):
            return None
        return self._principal(claims)

    async def _key(self, header: Mapping[str, Any]) -> Key | None:
        algorithm, key_id = header.get("alg"), header.get("kid")
        if algorithm == "HS256":
            return self._secret
        if algorithm != "RS256":
            return None
        if self._public is not None:
            return self._public
        return await self._jwks.key(key_id if isinstance(key_id, str) else None) if self._jwks else None

    def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        now_s = self._clock.now_ms() / 1000
        subject, roles, expires = claims.get("sub"), claims.get("roles"), claims.get("exp")
        starts = claims.get("nbf", now_s)
        if not (isinstance(subject, str) and 0 < len(subject) <= 256 and isinstance(roles, list)):
            return None
        if not (_is_time(expires) and now_s < expires + LEEWAY_S and _is_time(starts) and starts <= now_s + LEEWAY_S):
            return None
        if self._issuer is not None and claims.get("iss") != self._issuer:
            return None
        audience = claims.get("aud")
        if self._audience is not None and self._audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            return None
        known = frozenset(Role(role) for role in roles if isinstance(role, str) and role in _ROLES)
        return Principal(subject, Kind.TOKEN, known)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


def _read_public_key(file: Path) -> RSAKey:
    try:
        return RSAKey.import_key(file.read_bytes())
    except (OSError, ValueError, JoseError) as error:
        raise ConfigError(f"{file}: not the PEM file of an RSA public key ({type(error).__name__})") from error
