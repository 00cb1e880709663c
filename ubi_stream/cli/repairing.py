"""Repairs dead letters from the command line: with Kafka and Postgres themselves, no worker is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiokafka.errors import KafkaError

from ubi_stream.collector.delivery import KafkaDelivery
from ubi_stream.collector.letters import KafkaLetters
from ubi_stream.collector.repair import Patch, PatchError, Repaired, Repairs, check_patch
from ubi_stream.collector.service import Collector
from ubi_stream.errors import ConfigError
from ubi_stream.kafka.client import client_options, unreachable
from ubi_stream.operations.servers import ask_database
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings
from ubi_stream.sinks.dead_letter_queries import DeadLetterFilter, find_repairable, mark_resent

_BATCH: Final = 100
_TIMEOUT_S: Final = 30.0
_WAITING: Final = 100_000


class _Uncounted:
    """Nobody reads metrics of a command."""

    def collected(self, dialect: str, counts: Mapping[str, int]) -> None: ...


def read_patch(text: str) -> Patch:
    """A JSON patch that a person typed, or the path of a file with one.

    Raises
    ------
    ConfigError
        It is none.
    """
    try:
        content = text if text.lstrip().startswith("[") else Path(text).read_text(encoding="utf-8")
        return check_patch(msgspec.json.decode(content))
    except OSError as error:
        raise ConfigError(
            f"--patch {text}: neither a JSON patch nor a file that can be read: {error.strerror}"
        ) from error
    except (msgspec.DecodeError, PatchError, UnicodeDecodeError) as error:
        raise ConfigError(f"--patch: {error}") from error


async def run_repairs(
    settings: Settings, wanted: DeadLetterFilter, patch: Patch, *, limit: int, send: bool
) -> list[Repaired]:
    """Repair the newest dead letters that fit; without `send` nothing is sent.

    Raises
    ------
    BrokerUnavailableError, DatabaseUnavailableError, DeliveryError
        Kafka or Postgres does not answer.
    ConfigError
        The events topic is in a sender's form.
    """
    if settings.events_mapping is not None:
        raise ConfigError("UBI_EVENTS_MAPPING is set: the events topic is in a sender's form; send repaired rows there")
    found = await ask_database(settings, lambda database: find_repairable(database, wanted, limit=limit))
    options = client_options(settings)
    delivery = KafkaDelivery(
        options, batch_size=_BATCH, flush_interval_s=0.005, max_waiting=_WAITING, timeout_s=_TIMEOUT_S
    )
    try:
        await delivery.start()
    except KafkaError as error:
        raise unreachable(settings) from error

    async def mark(ids: Sequence[str]) -> None:
        await ask_database(settings, lambda database: mark_resent(database, ids))

    try:
        collector = Collector(load_pack(settings.pack, nobody=settings.nobody), settings, delivery, _Uncounted())
        return await Repairs(collector, KafkaLetters(options), mark).run(found, patch, send=send)
    finally:
        await delivery.stop()
