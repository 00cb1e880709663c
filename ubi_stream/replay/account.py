"""An account of a file: how its times run, which of its rows are refused, where, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from ubi_stream.clock import Clock
from ubi_stream.data.order import OrderWatch
from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.decode import decode
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.events.stage import position_of
from ubi_stream.events.validate import Validator
from ubi_stream.packs.schema import Pack
from ubi_stream.reasons import DeadLetterReason

SHOWN_CAUSES: Final = 3
_SHOWN_LEFT_OUT: Final = 10
_MAX_TYPES: Final = 1_000
"""Unknown event types that are kept apart: a column of free text must not fill the memory."""


class Cause(msgspec.Struct, frozen=True):
    """Dead letters of one reason at one place.

    Attributes
    ----------
    reason, path
        As in the dead letters.
    count
        How many there are.
    row
        The first one's row, 0 where it has none.
    message
        What is wrong with the first one: the field, its value, what was expected.
    """

    reason: str
    path: str
    count: int
    row: int
    message: str


class Account:
    """Counts what becomes of the records of a file.

    Attributes
    ----------
    records, refused
        Looked at, and dead letters among them.
    order
        How their times run.
    unknown_types
        Event types that the pack does not know, by how often they occur.
    """

    def __init__(self) -> None:
        self.records = self.refused = 0
        self.order = OrderWatch()
        self.unknown_types: Counter[str] = Counter()
        self._causes: dict[tuple[str, str], Cause] = {}

    def note(self, record: ProducerRecord) -> None:
        """Count a record."""
        self.records += 1
        self.order.add(record.row, record.time_ms)

    def refuse(self, letter: DeadLetter, row: int, fault: str) -> None:
        """Count a dead letter; `fault` is what the reader said of its row."""
        self.refused += 1
        key = (letter.reason.value, letter.path)
        before = self._causes.get(key) or Cause(*key, 0, row, fault or letter.message)
        self._causes[key] = msgspec.structs.replace(before, count=before.count + 1)
        if letter.reason is DeadLetterReason.UNKNOWN_EVENT_TYPE:
            name = type_of(letter)
            if name in self.unknown_types or len(self.unknown_types) < _MAX_TYPES:
                self.unknown_types[name] += 1

    def causes(self) -> list[Cause]:
        """Reasons and places, the commonest first."""
        return sorted(self._causes.values(), key=lambda cause: (-cause.count, cause.row))


def type_of(letter: DeadLetter) -> str:
    """Event type of a record that is valid JSON."""
    data = decode(letter.record)
    return "" if isinstance(data, DeadLetter) else str(data.get("event_type", ""))


def likely(records: Iterable[ProducerRecord], account: Account, pack: Pack, clock: Clock) -> Iterator[ProducerRecord]:
    """Records as they are, after the account has seen what a worker with this pack will make of them."""
    validator = Validator.of(pack)
    for item in records:
        account.note(item)
        record = Record("", 0, 0, clock.now_ms(), item.key, item.value)
        data = decode(record)
        outcome = data if isinstance(data, DeadLetter) else validator.validate(data, record, position_of(record), None)
        if isinstance(outcome, DeadLetter):
            account.refuse(outcome, item.row, item.fault)
        yield item


def sentences(
    account: Account, pack: Pack, unread: Mapping[str, int], left_out: Mapping[str, int], *, late: int | None = None
) -> Iterator[str]:
    """What a person should look at, in sentences: refused rows first, then the order of the times.

    `unread` are values that the mapping could not read, by place, `left_out` rows that its filters leave out. `late` is
    how many events were late; None where nobody has counted them, and the order of the file must tell.
    """
    causes = account.causes()
    for cause in causes[:SHOWN_CAUSES]:
        where = f", first in row {cause.row:,}" if cause.row else ""
        yield f"  {cause.count:,} {cause.reason} at {cause.path}{where}: {cause.message}"
    if len(causes) > SHOWN_CAUSES:
        rest = sum(cause.count for cause in causes[SHOWN_CAUSES:])
        yield f"  {rest:,} for other reasons"
    if account.unknown_types:
        found = ", ".join(f"{name} ({count:,})" for name, count in account.unknown_types.most_common(10))
        yield (
            f"Unknown event types: {found}. Pack {pack.name} knows {', '.join(pack.events.types)}: name them so by "
            "`values` of event_type in the mapping"
        )
    if unread:
        found = ", ".join(f"{place} ({count:,})" for place, count in sorted(unread.items()))
        yield f"Values that are not of the type that the mapping says: {found}"
    if left_out:
        found = ", ".join(f"{what} ({count:,})" for what, count in Counter(left_out).most_common(_SHOWN_LEFT_OUT))
        more = len(left_out) - _SHOWN_LEFT_OUT
        yield (
            f"Rows that the mapping leaves out: {sum(left_out.values()):,}: {found}"
            + (f" and {more:,} more" if more > 0 else "")
        )
    yield from order_sentences(account, late=late)


def order_sentences(account: Account, *, late: int | None = None) -> Iterator[str]:
    """What is wrong with the order of the times, and what to do: nothing, or one sentence. `late` as in `sentences`."""
    accepted = account.records - account.refused
    disordered = account.order.behind if late is None else late
    if not accepted or not disordered:
        return
    if (fast := account.order.fast_clock()) is not None:
        rows = f"{fast.rows:,} rows like it" if fast.rows > 1 else "no other row like it"
        yield (
            f"Row {fast.row:,} is {fast.ahead_days:g} days ahead of the rest of the file ({rows}), as by a wrong "
            "clock: events after it count as late. Correct or remove such rows"
        )
    elif disordered > accepted / 2:
        what = "were late" if late is not None else "stand behind a later one"
        yield (
            f"Most events {what} ({disordered:,} of {accepted:,}): the file is not in the order of time. Visits and "
            "windows need it: --sort sorts the file first"
        )
