"""Who was erased, by a hash of the id: what came before an erasure is not to bring the user back.

Part of the partition's record. What happened before an erasure and arrives after it (late, or sent again) is dropped
for as long as the pack's `erased_days`, by arrival: a function of the user's own events, so a replay drops the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from hashlib import blake2b
from typing import Final

import msgspec

from ubi_stream.events.model import Event
from ubi_stream.packs.schema import ERASE_TYPE
from ubi_stream.state.codec import decode_state
from ubi_stream.state.dedup import is_past
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.store import Live

MAX_ERASED: Final = 5_000
"""Erased users of a partition that are kept, about 60 bytes each at every barrier; the oldest go first."""
_GRACE_MS: Final = DAY_MS
"""How much longer than it counts an erasure is kept: a replay, which begins at an earlier event, needs it again."""


class Erasure(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One erasure of a user, the newest.

    Attributes
    ----------
    at_ms
        Event time of the newest: what happened up to then is dropped.
    arrived_ms
        When the broker got the command.
    offset, forwarded
        Position of the command, and of what came before it, in the terms of a state: events up to there are done with.
    """

    at_ms: int
    arrived_ms: int
    offset: int = -1
    forwarded: dict[str, int] = {}

    def without_position(self) -> Erasure:
        """The same where offsets are others: in another life of the topics, or another partition."""
        return Erasure(self.at_ms, self.arrived_ms)


class Before(Enum):
    """In which way an event is of before an erasure: it came before it (or is it), or happened before, and came after.

    What came before was taken in, and erased: it comes again after a crash.
    """

    CAME = auto()
    HAPPENED = auto()


class Erased(msgspec.Struct, frozen=True, gc=False):
    """What an erasure did: names of what was there and is gone, and the hash of the user's id."""

    erased_id: str
    parts: tuple[str, ...]


class Erasures:
    """Looks erased users up, and takes in new ones.

    Parameters
    ----------
    kept
        By hash of the id, oldest first: part of the partition's record, written to.
    key
        Keys the hash, so that nobody without it can tell whether a guessed id was erased.
    keep_ms
        How long after an erasure's arrival events of before are dropped.
    """

    def __init__(self, kept: dict[str, Erasure], *, key: bytes, keep_ms: int) -> None:
        self._kept = kept
        self._hash_key = blake2b(key).digest() if key else b""
        self._keep_ms = keep_ms
        self._newest_ms = max((erasure.at_ms for erasure in kept.values()), default=-1)

    def hashed(self, entity_id: str) -> str:
        """What an id is kept as: 24 hex digits."""
        content = entity_id.encode("utf-8", "surrogatepass")
        return blake2b(content, key=self._hash_key, digest_size=12, person=b"ubi-erased").hexdigest()

    def find(self, entity_id: str) -> Erasure | None:
        """The erasure of a user; None of one who was not erased, or so long ago that it is not kept."""
        return self._kept.get(self.hashed(entity_id)) if self._kept else None

    def may_concern(self, event: Event, live: Live | None) -> bool:
        """Whether to look: an event that is newer than all erasures, of a user who is known, is after theirs."""
        return bool(self._kept) and (live is None or event.event_time_ms <= self._newest_ms)

    def is_before(self, event: Event, entity_id: str) -> Before | None:
        """How an event is of before its user's erasure, if it is. An erasure itself counts whatever its time."""
        erasure = self.find(entity_id)
        if erasure is None:
            return None
        if is_past(event, erasure.offset, erasure.forwarded):
            return Before.CAME
        in_time = event.origin.timestamp_ms < erasure.arrived_ms + self._keep_ms
        if in_time and event.event_time_ms <= erasure.at_ms and event.event_type != ERASE_TYPE:
            return Before.HAPPENED
        return None

    def begin(self, entity_id: str, live: Live) -> Live:
        """Give a fresh state the position of its user's erasure, if there was one: that is where it begins."""
        if (erasure := self.find(entity_id)) is not None:
            live.offset, live.state.forwarded = erasure.offset, dict(erasure.forwarded)
        return live

    def note(self, entity_id: str, event: Event, live: Live | None, *, kept_since_ms: int) -> Erased:
        """Take in the erasure of a user with this state; those that count no more make room.

        A state without an event since `kept_since_ms` is due to be forgotten, and may be there or not after a crash: it
        counts as gone already.
        """
        erased_id = self.hashed(entity_id)
        before = self._kept.pop(erased_id, None) or Erasure(-1, 0)
        offset, forwarded = (before.offset, before.forwarded) if live is None else (live.offset, live.state.forwarded)
        forwarded = dict(forwarded)
        if event.sender is None:
            offset = event.offset
        else:
            forwarded[event.sender.source] = event.sender.offset
        now_ms, at_ms = event.origin.timestamp_ms, max(before.at_ms, event.event_time_ms)
        self._kept[erased_id] = Erasure(at_ms, now_ms, offset, forwarded)
        self._newest_ms = max(self._newest_ms, at_ms)
        # In order of arrival, or nearly: one that is not is kept a little longer.
        while len(self._kept) > MAX_ERASED or self._is_over(next(iter(self._kept.values())), now_ms):
            del self._kept[next(iter(self._kept))]
        return Erased(erased_id, _parts_of(live.state) if live and live.state.last_ms > kept_since_ms else ())

    def _is_over(self, erasure: Erasure, now_ms: int) -> bool:
        return erasure.arrived_ms + self._keep_ms + _GRACE_MS <= now_ms

    def outlived(self, entity_ids: Iterable[str], states: Mapping[bytes, bytes], *, epoch: int) -> list[str]:
        """Users whose encoded state is of before their erasure: a crash came before their tombstone."""
        if not self._kept:
            return []
        found: list[str] = []
        for entity_id in entity_ids:
            erasure = self.find(entity_id)
            if erasure is None or (erasure.offset < 0 and not erasure.forwarded):
                continue
            header, state = decode_state(states[entity_id.encode()])
            if header.epoch != epoch or not _has_all(erasure, header.offset, state):
                found.append(entity_id)
        return found


def _parts_of(state: UserState) -> tuple[str, ...]:
    """Names of what is kept of a user."""
    history, pending_predictions = state.history != InsightHistory(), bool(state.pending_predictions)
    there = {"state": True, "open_questions": pending_predictions, "what_was_told": history}
    return tuple(name for name, is_there in there.items() if is_there)


def _has_all(erasure: Erasure, offset: int, state: UserState) -> bool:
    """Whether a state begins after an erasure: it takes over its position."""
    tasks = erasure.forwarded.items()
    return offset >= erasure.offset and all(state.forwarded.get(task, -1) >= last for task, last in tasks)
