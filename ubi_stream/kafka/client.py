"""How every Kafka client of the product is made, from one set of settings."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ubi_stream.clock import Clock
from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.settings import Settings

FIRST_RETRY_S: Final = 0.2
LONGEST_RETRY_S: Final = 1.0


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes: where the broker is, and how to talk to it."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.broker,
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None, "the settings check that SASL has credentials"
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls_context(settings)
    return options


def membership(settings: Settings) -> dict[str, Any]:
    """How a consumer belongs to its group: how soon its partitions go to others when it is silent, and its name."""
    return {
        "group_instance_id": settings.instance_id,
        "session_timeout_ms": int(settings.session_timeout_s * 1000),
        "heartbeat_interval_ms": int(settings.session_timeout_s * 1000 / 5),
    }


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS as the settings say: the broker's certificate is always verified."""
    context = ssl.create_default_context(cafile=settings.ssl_ca_file)
    if settings.ssl_cert_file is not None:
        context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file)
    return context


def unreachable(settings: Settings, after: str = "") -> BrokerUnavailableError:
    """Say that no broker answers, and what to do."""
    return BrokerUnavailableError(
        f"Kafka at {settings.broker} can't be reached{after}: is it running? UBI_BROKER or --broker names it; `ubi up` "
        "starts one on this machine"
    )


async def connect_admin(
    settings: Settings, clock: Clock, on_retry: Callable[[str], None] | None = None
) -> AIOKafkaAdminClient:
    """Connect to the broker, trying again with growing pauses for `startup_timeout_s`.

    Raises
    ------
    BrokerUnavailableError
        It could not be reached in time.
    """
    started_s, pause_s = clock.monotonic_s(), FIRST_RETRY_S
    while True:
        admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            await admin.close()
            waited_s = clock.monotonic_s() - started_s
            if waited_s + pause_s > settings.startup_timeout_s:
                raise unreachable(settings, f" after {waited_s:.0f} s") from error
            if on_retry is not None:
                on_retry(f"Kafka at {settings.broker} can't be reached yet; trying again in {pause_s:.1f} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        else:
            return admin
