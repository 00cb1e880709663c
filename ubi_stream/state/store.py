"""Live states of one partition: decoded where they are in use, encoded once per barrier.

The backing mapping is the changelog-backed table: what it holds is what a restart would find.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final, NamedTuple

import msgspec

from ubi_stream.state.codec import Tombstone, decode_header, decode_state, encode_header, encode_state
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState


class Live(msgspec.Struct, gc=False):
    """A decoded state, the last offset of the entity's own topic that it contains, and its bytes in the table."""

    state: UserState
    offset: int
    held: int = 0


class _Forgotten(NamedTuple):
    """What stays of a state until the next cut: events applied, its bytes in the table, and what takes its place."""

    applied: int = 0
    held: int = 0
    tombstone: Tombstone = Tombstone()


class Census(NamedTuple):
    """What a look at every state tells. The two dictionaries are all that stays in memory of an entity at rest.

    `last_ms` is the time of each one's newest event, `due_ms` the end of the first horizon of its questions, where it
    has any.
    """

    entities: int
    encoded_bytes: int
    last_ms: dict[str, int]
    due_ms: dict[str, int]


def take_census(table: Mapping[bytes, bytes]) -> Census:
    """Go through a table once: it may be on disk, and larger than memory.

    Raises
    ------
    RecoveryError
        A state can't be read.
    """
    last_ms: dict[str, int] = {}
    due_ms: dict[str, int] = {}
    encoded_bytes = 0
    for key, blob in table.items():
        header, entity_id = decode_header(blob), key.decode()
        last_ms[entity_id] = header.last_ms
        if header.due_ms:
            due_ms[entity_id] = header.due_ms
        encoded_bytes += len(blob)
    return Census(len(last_ms), encoded_bytes, last_ms, due_ms)


class StateStore:
    """Reads states through a bounded cache, and hands out those that changed.

    Parameters
    ----------
    backing
        Encoded states by entity id: the table. A cut writes into it at once, so that a state dropped from the cache is
        found again; the caller sends the same records to the changelog.
    epoch
        Source epoch: a state of another epoch keeps its content, but its offset says nothing.
    cache_size
        Decoded states kept between batches, at least; changed ones stay until the next cut whatever their number.
    census
        Of the table; None for one that is empty.
    insight_histories
        Those of the partition's record: newer than what the states hold; None of an entity that was forgotten.
    erased
        Entities that were erased since their state was written.
    """

    def __init__(
        self,
        backing: MutableMapping[bytes, bytes],
        *,
        epoch: int,
        cache_size: int,
        census: Census | None = None,
        insight_histories: Mapping[str, InsightHistory | None] | None = None,
        erased: Iterable[str] = (),
    ) -> None:
        self._backing = backing
        self._epoch = epoch
        self._cache_size = cache_size
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._changed: dict[str, Live | None] = {}
        self._count, self._bytes = (census.entities, census.encoded_bytes) if census else (0, 0)
        self._forgotten: dict[str, _Forgotten] = {}  # since the last cut
        self._erased: set[str] = set()  # since the last cut
        self._changed_histories: set[str] = set()
        self._histories = dict(insight_histories or {})
        for entity_id in erased:  # before the memos: those are of whoever came after
            self.erase(entity_id)
        for entity_id in tuple(self._histories):
            self._restore_history(entity_id)

    def get(self, entity_id: str) -> Live | None:
        """State of an entity, or None if nothing is known about it."""
        live = self._live.get(entity_id)
        if live is not None:
            self._live.move_to_end(entity_id)
            return live
        blob = None if entity_id in self._changed else self._backing.get(entity_id.encode())
        if blob is None:
            return None  # nothing known, or forgotten since the last cut: what changed otherwise is live
        header, state = decode_state(blob)
        live = Live(state, header.offset, len(blob))
        if header.epoch != self._epoch:
            # Offsets of another life of the topics say nothing about this one.
            live.offset = -1
            state.forwarded.clear()
        self._keep(entity_id, live)
        return live

    def new(self, entity_id: str) -> Live:
        """Begin an empty state for an entity, in place of any that there was."""
        before = self._live.get(entity_id)
        # Forgotten since the last cut, it has no tombstone: its new state must win over the old one at a restore.
        applied, held, _ = self._forgotten.pop(entity_id, _Forgotten(held=before.held if before else 0))
        live = Live(UserState(applied=applied), -1, held)
        self._keep(entity_id, live)
        if history := self._histories.pop(entity_id, None):
            live.state.history = history
            self._changed_histories.add(entity_id)
        return live

    def changed(self, entity_id: str, live: Live) -> None:
        """Note that a state was folded into, and so must be written at the next barrier."""
        self._changed[entity_id] = live

    def touch(self, entity_id: str) -> None:
        """Note that the memo of a state is written to, which was read since the last batch began."""
        if live := self._live.get(entity_id):  # else it was forgotten in the same batch, and its memo with it
            self._changed_histories.add(entity_id)
            self._changed[entity_id] = live

    def forget(self, entity_id: str) -> None:
        """Drop an entity: its record becomes a tombstone at the next cut."""
        live = self.get(entity_id)
        if live is None:
            return
        del self._live[entity_id]
        self._changed[entity_id] = None
        tombstone = Tombstone(encode_header(live.state, epoch=self._epoch, offset=live.offset))
        self._forgotten[entity_id] = _Forgotten(live.state.applied, live.held, tombstone)
        if live.state.history != _BLANK:
            self._changed_histories.add(entity_id)

    def erase(self, entity_id: str) -> None:
        """Drop an entity and all that was told of it; the partition's record does not even say that it is gone."""
        if self.get(entity_id) is not None:
            self.forget(entity_id)
            self._changed_histories.discard(entity_id)
            self._erased.add(entity_id)

    def insight_histories(self) -> dict[str, InsightHistory | None]:
        """Memos that changed since the last cut: for the partition's record, which is written before the states."""
        insight_histories = dict(self._histories)
        for entity_id in self._changed_histories:
            live = self._changed[entity_id]
            insight_histories[entity_id] = None if live is None else live.state.history
        return insight_histories

    def take_changes(self) -> list[tuple[bytes, bytes | Tombstone]]:
        """Key and value of every state changed since the last cut, as of now."""
        records: list[tuple[bytes, bytes | Tombstone]] = []
        for entity_id, live in self._changed.items():
            key = entity_id.encode()
            if live is None:
                forgotten = self._forgotten[entity_id]
                self._backing.pop(key, None)
                self._resize(forgotten.held, 0)
                records.append((key, forgotten.tombstone))
                continue
            if entity_id in self._erased:  # the time of the state of before may be later: it would win at a restore
                records.append((key, Tombstone()))
            blob = encode_state(live.state, epoch=self._epoch, offset=live.offset)
            self._resize(live.held, len(blob))
            live.held = len(blob)
            self._backing[key] = blob
            records.append((key, blob))
        self._changed.clear()
        self._forgotten.clear()
        self._erased.clear()
        self._changed_histories.clear()
        self.trim()
        return records

    def trim(self) -> None:
        """Drop the least recently used states that the table holds too. Not within a batch: it refers to them."""
        # What changed stays: to walk over it before each batch would take as long as folding the batch.
        for _ in range(len(self._live) - max(self._cache_size, len(self._changed))):
            oldest = next(iter(self._live))
            if oldest in self._changed:
                self._live.move_to_end(oldest)
            else:
                del self._live[oldest]

    @property
    def count(self) -> int:
        """Entities with a state, as of the last cut."""
        return self._count

    @property
    def encoded_bytes(self) -> int:
        """Bytes of all states, as of the last cut."""
        return self._bytes

    def _resize(self, before: int, after: int) -> None:
        """Count a value of the table that had so many bytes, 0 where it was not there, and has others now."""
        self._count += (after > 0) - (before > 0)
        self._bytes += after - before

    def _keep(self, entity_id: str, live: Live) -> None:
        self._live[entity_id] = live
        self._live.move_to_end(entity_id)

    def _restore_history(self, entity_id: str) -> None:
        """Put a newer memo into its state. That of a state which the table lacks waits until it is folded again."""
        history, live = self._histories[entity_id], self.get(entity_id)
        if live is not None:
            live.state.history = history or InsightHistory()
            self.touch(entity_id)
        if live is not None or history is None:
            del self._histories[entity_id]


_BLANK: Final = InsightHistory()
