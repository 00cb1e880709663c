"""Live states of one partition: decoded where they are in use, encoded once per barrier.

The backing mapping is the changelog-backed table: what it holds is what a restart would find.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping

import msgspec

from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.model import UserState


class Live(msgspec.Struct, gc=False):
    """A decoded state and the last offset of the entity's own topic that it contains."""

    state: UserState
    offset: int


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
        Decoded states kept, at least; changed ones stay until the next cut whatever their number.
    """

    def __init__(self, backing: MutableMapping[bytes, bytes], *, epoch: int, cache_size: int) -> None:
        self._backing = backing
        self._epoch = epoch
        self._cache_size = cache_size
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._changed: dict[str, Live | None] = {}
        self._bytes = sum(map(len, backing.values()))

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
        live = Live(state, header.offset)
        if header.epoch != self._epoch:
            # Offsets of another life of the topics say nothing about this one.
            live.offset = -1
            state.forwarded.clear()
        self._keep(entity_id, live)
        return live

    def new(self, entity_id: str) -> Live:
        """Begin an empty state for an entity, in place of any that there was."""
        live = Live(UserState(), -1)
        self._keep(entity_id, live)
        return live

    def changed(self, entity_id: str, live: Live) -> None:
        """Note that a state was folded into, and so must be written at the next barrier."""
        self._changed[entity_id] = live

    def forget(self, entity_id: str) -> None:
        """Drop an entity: its record becomes a tombstone at the next cut."""
        self._live.pop(entity_id, None)
        self._changed[entity_id] = None

    def cut(self) -> list[tuple[bytes, bytes | None]]:
        """Key and value of every state changed since the last cut, as of now; None for one that was forgotten."""
        records: list[tuple[bytes, bytes | None]] = []
        for entity_id, live in self._changed.items():
            key = entity_id.encode()
            if live is None:
                self._bytes -= len(self._backing.pop(key, b""))
                records.append((key, None))
                continue
            blob = encode_state(live.state, epoch=self._epoch, offset=live.offset)
            self._bytes += len(blob) - len(self._backing.get(key, b""))
            self._backing[key] = blob
            records.append((key, blob))
        self._changed.clear()
        while len(self._live) > self._cache_size:
            self._live.popitem(last=False)
        return records

    @property
    def count(self) -> int:
        """Entities with a state, as of the last cut."""
        return len(self._backing)

    @property
    def encoded_bytes(self) -> int:
        """Bytes of all states, as of the last cut."""
        return self._bytes

    def _keep(self, entity_id: str, live: Live) -> None:
        self._live[entity_id] = live
        self._live.move_to_end(entity_id)
        if len(self._live) > self._cache_size:
            self._make_room()

    def _make_room(self) -> None:
        """Drop the least recently used states that the table holds as they are; a few at a time."""
        for _ in range(min(4, len(self._live) - self._cache_size)):
            oldest = next(iter(self._live))
            if oldest in self._changed:
                self._live.move_to_end(oldest)
            else:
                del self._live[oldest]
