"""The collector as its routes use it: reads a request, puts its events on Kafka, and says what became of each call."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from ubi_stream.collector.delivery import Delivery, Outgoing
from ubi_stream.collector.intake import Accepted, Intake, Outcome, Read, Rejected
from ubi_stream.collector.registry import DIALECTS, Dialect
from ubi_stream.collector.request import CollectorRequest
from ubi_stream.errors import ConfigError, DeliveryError, likely
from ubi_stream.insights.encoding import encode_dead_letter
from ubi_stream.mappings.model import Mapping as MappingFile
from ubi_stream.mappings.model import load_mapping
from ubi_stream.packs.privacy_filter import filter_of
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings

REMEMBERED_EVENTS: Final = 50_000
"""Newest events that Kafka has, by which one that comes again is known: minutes, as clients try again. 8 MB."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of the calls of a request, in their order; `duplicates` are places of those that came before."""

    read: Read
    duplicates: frozenset[int] = frozenset()

    @property
    def accepted(self) -> int:
        """How many events Kafka has now."""
        return sum(isinstance(outcome, Accepted) for outcome in self.read.outcomes) - len(self.duplicates)

    @property
    def rejected(self) -> list[tuple[int, Rejected]]:
        """Those set aside, with their places."""
        return [(at, one) for at, one in enumerate(self.read.outcomes) if isinstance(one, Rejected)]

    def counts(self) -> Counter[str]:
        """How many calls there were of each kind of outcome; those of `CollectedOutcome`."""
        counts = Counter(OUTCOMES[type(outcome).__name__] for outcome in self.read.outcomes)
        counts["accepted"] -= len(self.duplicates)
        counts["duplicate"] = len(self.duplicates)
        return counts


OUTCOMES: Final = {"Accepted": "accepted", "Rejected": "rejected", "Left": "ignored"}
"""Kinds of outcomes, and their names in metrics. A further one is `duplicate`."""


class CollectorObserver(Protocol):
    """Counts what is collected."""

    def collected(self, dialect: str, counts: Mapping[str, int]) -> None:
        """A request is answered: so many calls of each kind of outcome."""
        ...


class Collector:
    """Takes requests for one pack.

    Parameters
    ----------
    pack, settings
        What runs. `settings.source_mappings` replaces shipped mappings.
    delivery
        The way to Kafka.
    observer
        Counts.

    Raises
    ------
    ConfigError
        A mapping is wrong, or named for a dialect that there is not; or the list of people not to track is.
    """

    def __init__(
        self,
        pack: Pack,
        settings: Settings,
        delivery: Delivery,
        observer: CollectorObserver,
    ) -> None:
        self._pack, self._settings = pack, settings
        self._delivery = delivery
        self._observer = observer
        self._own_mappings = named_mappings(settings.source_mappings)
        self._delivers = True
        self._intakes: dict[str, Intake] = {}
        self._recent: OrderedDict[tuple[bytes, str], None] = OrderedDict()
        shipped = {one.mapping for one in DIALECTS.values() if one.mapping is not None}
        # All are read here: what is wrong with one is reported at the start.
        named = sorted(shipped.union(self._own_mappings.values()))
        self._loaded = {name: _one_event_a_row(load_mapping(name), name) for name in named}
        self.intake("default")

    @property
    def pack(self) -> Pack:
        """The pack whose events are taken."""
        return self._pack

    @property
    def delivers(self) -> bool:
        """Whether Kafka took the newest events; so too before the first ones."""
        return self._delivers

    @property
    def hash_key(self) -> bytes:
        """Keys the hashes of what is hidden."""
        return self._settings.hash_key

    @property
    def amount(self) -> str:
        """Name of the property with the money of an event."""
        return self._pack.events.roles.amount or "amount"

    def intake(self, source: str) -> Intake:
        """What reads the requests of a source."""
        found = self._intakes.get(source)
        if found is None:
            found = self._intakes[source] = Intake(
                self._pack,
                source=source,
                mappings=self._mappings_of(source),
                hash_key=self._settings.hash_key,
                privacy=filter_of(self._pack, self._settings, source=source),
            )
        return found

    def check(self, dialect: Dialect, request: CollectorRequest, source: str) -> Read:
        """Read a request and send nothing.

        Raises
        ------
        BadRequestError
            The body as a whole can't be read.
        """
        return self.intake(source).read(dialect, request)

    async def take(self, dialect: Dialect, request: CollectorRequest, source: str) -> Receipt:
        """Read a request and return once Kafka has what is in it.

        Raises
        ------
        BadRequestError
            The body as a whole can't be read.
        OverloadedError, DeliveryError
            Kafka does not take it now.
        """
        read = self.check(dialect, request, source)
        duplicates = await self.deliver(read.outcomes)
        receipt = Receipt(read, duplicates)
        self._observer.collected(dialect.name, receipt.counts())
        return receipt

    async def deliver(self, outcomes: list[Outcome]) -> frozenset[int]:
        """Put accepted events and dead letters on their topics; returns the places of events that came before.

        Raises
        ------
        OverloadedError, DeliveryError
            Kafka does not take it now.
        """
        records: list[Outgoing] = []
        new: dict[tuple[bytes, str], None] = {}
        duplicates: set[int] = set()
        for at, outcome in enumerate(outcomes):
            if isinstance(outcome, Rejected):
                records.append(self._letter(outcome))
            elif isinstance(outcome, Accepted):
                identity = (outcome.key, outcome.event_id)
                if identity in self._recent or identity in new:
                    duplicates.add(at)
                    continue
                new[identity] = None
                topic = self._settings.events_topic
                records.append(Outgoing(topic, outcome.key, outcome.value, outcome.urgent, outcome.headers))
        try:
            await self._delivery.send(records)
        except DeliveryError:
            self._delivers = False
            raise
        self._delivers = True
        self._recent |= new
        while len(self._recent) > REMEMBERED_EVENTS:
            self._recent.popitem(last=False)
        return frozenset(duplicates)

    def _letter(self, rejected: Rejected) -> Outgoing:
        record = rejected.letter.record
        key = f"{record.topic}-{record.offset}".encode()
        return Outgoing(self._settings.dead_letters_topic, key, encode_dead_letter(rejected.letter))

    def _mappings_of(self, source: str) -> dict[str, MappingFile]:
        """The mapping of each dialect: the source's own, that of all sources, or the shipped one."""
        own = self._own_mappings
        return {
            one.name: self._loaded[own.get((source, one.name)) or own.get(("", one.name)) or one.mapping]
            for one in DIALECTS.values()
            if one.mapping is not None
        }


def named_mappings(text: str) -> dict[tuple[str, str], str]:
    """Mappings by source and dialect; the source is empty where it means all.

    >>> named_mappings("segment=mine.toml, app/posthog=app.toml")
    {('', 'segment'): 'mine.toml', ('app', 'posthog'): 'app.toml'}

    Raises
    ------
    ConfigError
        The text has another form, or names a dialect that there is not.
    """
    found: dict[tuple[str, str], str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        place, equals, name = part.partition("=")
        source, _, dialect = place.strip().rpartition("/")
        if not equals or not name.strip():
            raise ConfigError(f"UBI_SOURCE_MAPPINGS: {part!r} is not dialect=mapping or source/dialect=mapping")
        known = [one.name for one in DIALECTS.values() if one.mapping is not None]
        if dialect not in known:
            raise ConfigError(
                f"UBI_SOURCE_MAPPINGS: there is no dialect {dialect!r} with a mapping; {likely(dialect, known)}"
                f"expected one of {', '.join(known)}"
            )
        found[source, dialect] = name.strip()
    return found


def _one_event_a_row(mapping: MappingFile, name: str) -> MappingFile:
    if mapping.rows_are_events or mapping.also or mapping.file.each is not None:
        raise ConfigError(f"UBI_SOURCE_MAPPINGS: {name} is for files: of a call it must make one event")
    return mapping


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """What our own routes answer."""
    return {
        "accepted": receipt.accepted,
        "duplicates": len(receipt.duplicates),
        "ignored": receipt.counts()["ignored"],
        "rejected": [rejection(at, one) for at, one in receipt.rejected],
        "event_ids": [one.event_id for one in receipt.read.outcomes if isinstance(one, Accepted)],
    }


def rejection(at: int, rejected: Rejected) -> dict[str, Any]:
    """A call that was set aside, as answers show it."""
    letter = rejected.letter
    return {"index": at, "reason": letter.reason.value, "path": letter.path, "message": letter.message}
