"""A collector without servers: requests as tests write them, and a delivery that remembers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ubi_stream.collector.delivery import Outgoing
from ubi_stream.collector.intake import Accepted, Intake, Outcome, Rejected
from ubi_stream.collector.registry import DIALECTS
from ubi_stream.collector.request import CollectorRequest
from ubi_stream.collector.service import Collector
from ubi_stream.errors import UbiError
from ubi_stream.mappings.model import load_mapping
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings
from ubi_stream.web.table import CollectorParts

NOW_MS = 1_764_000_000_000
"""2025-11-24T16:00:00Z: when requests come."""
NOW = "2025-11-24T16:00:00Z"


def request(
    path: str, body: object, *, headers: Mapping[str, str] | None = None, at_ms: int = NOW_MS, **more: Any
) -> CollectorRequest:
    """A request; a body that is no bytes is JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CollectorRequest(path, raw, at_ms, headers or {}, **more)


def intake(source: str = "default", **options: Any) -> Intake:
    """An intake of the shop's pack with the shipped mappings."""
    mappings = {one.name: load_mapping(one.mapping) for one in DIALECTS.values() if one.mapping is not None}
    return Intake(load_pack("ecommerce"), source=source, mappings=mappings, **{"hash_key": b"key"} | options)


def event(outcome: Outcome) -> dict[str, Any]:
    """The event that was accepted."""
    assert isinstance(outcome, Accepted), outcome
    found: dict[str, Any] = json.loads(outcome.value)
    return found


def refused(outcome: Outcome) -> tuple[str, str]:
    """Reason and path of the refusal."""
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason, outcome.letter.path


class MemoryDelivery:
    """A delivery into a list.

    Attributes
    ----------
    sent
        What came, in order.
    error
        Raised in place of taking anything, where set.
    """

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.error: UbiError | None = None

    async def send(self, records: Sequence[Outgoing]) -> None:
        if self.error is not None:
            raise self.error
        self.sent += records

    def events(self, settings: Settings) -> list[dict[str, Any]]:
        """Events on the events topic."""
        return [json.loads(one.value) for one in self.sent if one.topic == settings.events_topic]

    def dead_letters(self, settings: Settings) -> list[dict[str, Any]]:
        """Documents on the dead-letter topic."""
        return [json.loads(one.value) for one in self.sent if one.topic == settings.dead_letters_topic]


class Counted:
    """Remembers what was counted (a `CollectorObserver`)."""

    def __init__(self) -> None:
        self.counts: list[tuple[str, dict[str, int]]] = []

    def collected(self, dialect: str, counts: Mapping[str, int]) -> None:
        self.counts.append((dialect, {name: count for name, count in counts.items() if count}))


def collector(delivery: MemoryDelivery, **settings: Any) -> Collector:
    """A collector of the shop's pack."""
    return Collector(load_pack("ecommerce"), Settings(**settings), delivery, Counted())


class MemoryLetters:
    """Dead letters that are gone."""

    async def read(self, places: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        return [None for _ in places]


def memory_intake() -> CollectorParts:
    """What takes the events of views without Kafka."""
    return CollectorParts(collector(MemoryDelivery()), MemoryLetters())
