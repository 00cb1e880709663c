"""Spoils a good stream on purpose, and knows exactly what it did.

For tests and drills: duplicates, events out of order, late events, records without a key, and garbage among them.
What must come out of the pipeline is then a number, not a guess.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from random import Random

import msgspec
import orjson

from ubi_stream.data.records import ProducerRecord
from ubi_stream.errors import ConfigError
from ubi_stream.reasons import DeadLetterReason


class Poison(StrEnum):
    """A kind of garbage."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    WRONG_TYPE = "wrong_type"
    HUGE = "huge"
    DEEP = "deep"
    NULL_VALUE = "null_value"
    NO_KEY = "no_key"
    HALF_CHARACTER = "half_character"
    BEYOND_FLOAT = "beyond_float"


POISON_REASONS: dict[Poison, DeadLetterReason] = {
    Poison.MALFORMED_JSON: DeadLetterReason.MALFORMED_JSON,
    Poison.INVALID_UTF8: DeadLetterReason.MALFORMED_JSON,
    Poison.WRONG_TYPE: DeadLetterReason.WRONG_TYPE,
    Poison.HUGE: DeadLetterReason.TOO_LARGE,
    Poison.DEEP: DeadLetterReason.TOO_DEEP,
    Poison.NULL_VALUE: DeadLetterReason.NULL_VALUE,
    Poison.NO_KEY: DeadLetterReason.MISSING_FIELD,
    Poison.HALF_CHARACTER: DeadLetterReason.MALFORMED_JSON,
    Poison.BEYOND_FLOAT: DeadLetterReason.MALFORMED_JSON,
}
"""The dead letter that each kind must become. `no_key` names its user neither in the key nor in the event,
`half_character` has one of the two halves that make up an emoji, `beyond_float` a number larger than any float."""


class ChaosOptions(msgspec.Struct, frozen=True):
    """How much of what.

    Attributes
    ----------
    duplicates, out_of_order, late, keyless
        Share of good records that are sent twice, held back within the lateness, held back beyond it, or sent without
        a key; each at least 0, together at most 1.
    poison
        Garbage records for each good one, 0 to 1.
    kinds
        Kinds of garbage, evenly drawn.
    duplicate_within_ms, out_of_order_ms
        Longest time of the stream between a record and its copy, or that one is held back out of order.
    late_ms
        A late record is held back until the stream's time is at least this far ahead of its own.
    huge_bytes, deep_levels
        Size of the garbage of these kinds.
    seed
        Another seed, other victims.
    """

    duplicates: float = 0.0
    out_of_order: float = 0.0
    late: float = 0.0
    keyless: float = 0.0
    poison: float = 0.0
    kinds: tuple[Poison, ...] = tuple(Poison)
    duplicate_within_ms: int = 30_000
    out_of_order_ms: int = 5_000
    late_ms: int = 7_200_000
    huge_bytes: int = 200_000
    deep_levels: int = 64
    seed: int = 7

    def check(self) -> None:
        """Raise `ConfigError` for a share out of range."""
        shares = (self.duplicates, self.out_of_order, self.late, self.keyless)
        if min(shares) < 0 or sum(shares) > 1:
            raise ConfigError(f"duplicates, out_of_order, late, keyless = {shares}: expected 0 to 1 together")
        if not 0 <= self.poison <= 1:
            raise ConfigError(f"poison = {self.poison}: expected 0 to 1")
        if self.poison and not self.kinds:
            raise ConfigError("kinds = (): expected at least one kind of garbage")


class ChaosAccount(msgspec.Struct):
    """What was done to the stream so far; exact at its end.

    Attributes
    ----------
    good
        Good events, each sent once at least: what must be accepted.
    duplicates
        Further copies of good events: what must be dropped.
    out_of_order, late
        Good events that came after younger ones: by less than `late_ms`, or by that much or more.
    keyless
        Good events sent without a key.
    poison
        Garbage by kind: what must become dead letters.
    """

    good: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    late: int = 0
    keyless: int = 0
    poison: Counter[Poison] = msgspec.field(default_factory=Counter)

    @property
    def records(self) -> int:
        """All records of the stream."""
        return self.good + self.duplicates + self.poison.total()

    @property
    def dead_letters(self) -> dict[DeadLetterReason, int]:
        """Dead letters that must come out, by reason."""
        expected: Counter[DeadLetterReason] = Counter()
        for kind, count in self.poison.items():
            expected[POISON_REASONS[kind]] += count
        return dict(expected)


class Chaos:
    """Spoils one stream of good records.

    Parameters
    ----------
    options
        How much of what.

    Attributes
    ----------
    account
        What has been done.

    Raises
    ------
    ConfigError
        A share is out of range.
    """

    def __init__(self, options: ChaosOptions) -> None:
        options.check()
        self.account = ChaosAccount()
        self._options = options
        self._rng = Random(f"chaos {options.seed}")
        self._held: list[tuple[int, int, ProducerRecord, bool]] = []
        self._order = 0
        self._newest_ms = 0  # of the good records passed on so far

    def spoil(self, records: Iterable[ProducerRecord]) -> Iterator[ProducerRecord]:
        """Pass the records on, spoiled; held back ones come at the end at the latest.

        Parameters
        ----------
        records
            Good records with their event times, in time order.
        """
        options, rng = self._options, self._rng
        for record in records:
            if rng.random() < options.poison:
                yield self._garbage(rng.choice(options.kinds), record)
            yield from self._treat(record, record.time_ms or 0, rng.random())
            while self._held and self._held[0][0] <= self._newest_ms:
                yield self._release()
        while self._held:
            yield self._release()

    def _treat(self, record: ProducerRecord, time_ms: int, draw: float) -> Iterator[ProducerRecord]:
        """Do to a good record what its draw says: the shares lie side by side between 0 and 1."""
        options, rng = self._options, self._rng
        if (draw := draw - options.duplicates) < 0:
            self._hold(record, time_ms + int(rng.random() * options.duplicate_within_ms), copy=True)
            yield self._good(record)
        elif (draw := draw - options.out_of_order) < 0:
            self._hold(record, time_ms + 1 + int(rng.random() * options.out_of_order_ms), copy=False)
        elif (draw := draw - options.late) < 0:
            self._hold(record, time_ms + options.late_ms, copy=False)
        elif draw < options.keyless:
            self.account.keyless += 1
            yield self._good(ProducerRecord(None, record.value, record.time_ms))
        else:
            yield self._good(record)

    def _good(self, record: ProducerRecord) -> ProducerRecord:
        """Count a good record as what it has become: near the end a held back one may not be late after all."""
        behind_ms = self._newest_ms - (record.time_ms or 0)
        self._newest_ms -= min(behind_ms, 0)
        self.account.good += 1
        self.account.late += behind_ms >= self._options.late_ms
        self.account.out_of_order += 0 < behind_ms < self._options.late_ms
        return record

    def _hold(self, record: ProducerRecord, until_ms: int, *, copy: bool) -> None:
        self._order += 1
        heapq.heappush(self._held, (until_ms, self._order, record, copy))

    def _release(self) -> ProducerRecord:
        _, _, record, copy = heapq.heappop(self._held)
        if not copy:
            return self._good(record)
        self.account.duplicates += 1
        return record

    def _garbage(self, kind: Poison, near: ProducerRecord) -> ProducerRecord:
        """A record of this kind, made from a good one so that nothing else is wrong with it."""
        self.account.poison[kind] += 1
        key, value = _SPOILERS[kind](near, self._options)
        return ProducerRecord(key, value, near.time_ms)


Spoiled = tuple[bytes | None, bytes | None]


def _cut_off(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, (record.value or b"")[:-1]


def _not_utf8(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, (record.value or b"").replace(b'"event_type":"', b'"event_type":"\xff\xfe', 1)


def _mistyped(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, _changed(record, properties="none")


def _oversized(record: ProducerRecord, options: ChaosOptions) -> Spoiled:
    return record.key, _changed(record, properties={"filler": "x" * options.huge_bytes})


def _nested(record: ProducerRecord, options: ChaosOptions) -> Spoiled:
    levels = options.deep_levels
    return record.key, _changed(record, properties={"deep": orjson.Fragment(b"[" * levels + b"]" * levels)})


def _null(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, None


def _nobodys(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    event = orjson.loads(record.value or b"{}")
    del event["user_id"]
    return None, orjson.dumps(event)


def _half_a_character(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, _changed(record, trace_id=orjson.Fragment(rb'"\ud83d"'))


def _endless(record: ProducerRecord, _options: ChaosOptions) -> Spoiled:
    return record.key, _changed(record, properties={"price": orjson.Fragment(b"1e400")})


def _changed(record: ProducerRecord, **fields: object) -> bytes:
    return orjson.dumps(orjson.loads(record.value or b"{}") | fields)


_SPOILERS: dict[Poison, Callable[[ProducerRecord, ChaosOptions], Spoiled]] = {
    Poison.MALFORMED_JSON: _cut_off,
    Poison.INVALID_UTF8: _not_utf8,
    Poison.WRONG_TYPE: _mistyped,
    Poison.HUGE: _oversized,
    Poison.DEEP: _nested,
    Poison.NULL_VALUE: _null,
    Poison.NO_KEY: _nobodys,
    Poison.HALF_CHARACTER: _half_a_character,
    Poison.BEYOND_FLOAT: _endless,
}
