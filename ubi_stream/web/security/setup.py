"""Makes the guard of an application from the settings."""

from __future__ import annotations

import secrets
import ssl
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, NamedTuple

import asyncpg

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.settings import Settings
from ubi_stream.sinks.queries import Database
from ubi_stream.web.routes import Exposure, Limit
from ubi_stream.web.security.audit import Audit
from ubi_stream.web.security.guard import RequestGuard
from ubi_stream.web.security.key_store import KeyStore
from ubi_stream.web.security.limits import RateLimits
from ubi_stream.web.security.sessions import Sessions
from ubi_stream.web.security.signed import Hops
from ubi_stream.web.security.tokens import Jwks, Tokens

_SECRET_BYTES: Final = 32
_MIN_SECRET: Final = 16


class Security(NamedTuple):
    """What an application needs to know who asks."""

    guard: RequestGuard
    hops: Hops
    proxies: frozenset[IPv4Network | IPv6Network]


def make_security(
    settings: Settings, pool: asyncpg.Pool | None, clock: Clock, metrics: HttpMetrics, secret: bytes
) -> Security:
    """The guard of an application.

    Parameters
    ----------
    secret
        What all workers share: see `shared_secret`.

    Raises
    ------
    ConfigError
        A setting is wrong.
    """
    key = settings.keys_secret.get_secret_value().encode()
    keys = KeyStore(pool, clock, secret=key, file=settings.keys_file)
    tokens = Tokens(
        clock,
        secret=settings.jwt_secret.get_secret_value().encode(),
        public_key=settings.jwt_public_key_file,
        jwks=Jwks(settings.jwt_jwks_url, clock) if settings.jwt_jwks_url else None,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
    redis = settings.rate_limit_redis_url.get_secret_value() if settings.rate_limit_redis_url else None
    limits = RateLimits(
        {
            Limit.READ: settings.rate_limit_max,
            Limit.WRITE: settings.rate_limit_max,
            Limit.PUBLIC: settings.rate_limit_max,
            Limit.PAGE: settings.rate_limit_page_max,
            Limit.INGEST: settings.rate_limit_ingest_max,
        },
        window_s=settings.rate_limit_window_ms // 1000,
        clock=clock,
        redis_url=redis,
    )
    audit = Audit(pool, clock, secret=secret, take_used=keys.take_used, on_lost=metrics.audit_lost.inc)
    hops = Hops(secret, clock)
    sessions = Sessions(secret, clock, secure=settings.web_tls_cert_file is not None)
    guard = RequestGuard(keys, tokens, sessions, hops, limits, audit, public=_exposures(settings.web_public))
    return Security(guard, hops, _networks(settings.trusted_proxies))


async def shared_secret(settings: Settings, database: Database | None) -> bytes:
    """What signs sessions and hops: the setting, else what the first worker put into the database.

    Raises
    ------
    ConfigError
        The setting is too short.
    """
    given = settings.web_secret.get_secret_value().encode()
    if given:
        if len(given) < _MIN_SECRET:
            raise ConfigError(
                f"UBI_WEB_SECRET has fewer than {_MIN_SECRET} bytes: `openssl rand -hex 32` prints enough"
            )
        return given
    fresh = secrets.token_bytes(_SECRET_BYTES)
    if database is None:
        return fresh
    await database.fetch("INSERT INTO web_secrets (name, secret) VALUES ('web', $1) ON CONFLICT DO NOTHING", fresh)
    found: bytes = (await database.fetch("SELECT secret FROM web_secrets WHERE name = 'web'"))[0]["secret"]
    return found


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS of the views, from version 1.2 on; None where they are served without.

    Raises
    ------
    ConfigError
        The certificate or its key can't be read.
    """
    if settings.web_tls_cert_file is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.web_tls_cert_file, settings.web_tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"UBI_WEB_TLS_CERT_FILE and UBI_WEB_TLS_KEY_FILE are not the PEM files of a certificate and its key "
            f"({error})"
        ) from error
    return context


def client_tls(settings: Settings) -> ssl.SSLContext | None:
    """How certificates of other workers are checked; None: by the authorities of the system."""
    if settings.web_tls_ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.web_tls_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"UBI_WEB_TLS_CA_FILE is not the PEM file of an authority ({error})") from error


def _exposures(text: str) -> frozenset[Exposure]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = [one.value for one in Exposure if one is not Exposure.API]
    if wrong := [word for word in words if word not in known]:
        raise ConfigError(f"UBI_WEB_PUBLIC has {wrong[0]!r}; expected some of: {', '.join(known)}")
    return frozenset(Exposure(word) for word in words)


def _networks(text: str) -> frozenset[IPv4Network | IPv6Network]:
    try:
        return frozenset(ip_network(word.strip()) for word in text.split(",") if word.strip())
    except ValueError as error:
        raise ConfigError(f"UBI_TRUSTED_PROXIES: {error}; expected networks like 10.0.0.0/8") from error
