"""Whose profile counts for whom: hands a profile over to another user's partition, and redirects later events.

An id that was merged keeps its state, with the name of the user in it: it redirects what comes later, and gives the
profile back at a split. What it sends is kept in the checkpoint first, and sent once that is durable. So a crash cannot
send one thing, and then decide otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ubi_stream.events.hiding import OWN_FORM_HEADER
from ubi_stream.events.model import Event, Headers
from ubi_stream.events.stage import IDENTITY_LANE, SENDER, STATE, USER, entry_headers, is_handed_over
from ubi_stream.packs.schema import (
    ANONYMOUS_ID,
    ERASE_TYPE,
    ERASED_IDS,
    INTERNAL_TYPES,
    MERGE_TYPE,
    OTHER_IDS,
    SPLIT_TYPE,
    UNMERGE_TYPE,
    WATERMARK,
)
from ubi_stream.state.codec import encode_state
from ubi_stream.state.model import UserState

MAX_IDENTITIES: Final = 64
"""Merged ids that are kept of one user; the oldest go first."""


class Handover(msgspec.Struct, array_like=True, frozen=True):
    """A record for another user's partition, on the repartition topic of users.

    Attributes
    ----------
    sender, offset
        The partition that sends it, and the offset of the event that it comes from: one that comes twice is known.
    """

    sender: str
    offset: int
    key: bytes
    value: bytes
    headers: Headers

    def all_headers(self) -> Headers:
        """Headers of the record."""
        return (*self.headers, (SENDER, f"{self.sender}/{self.offset}".encode()))

    def of_layout(self, name: str) -> Handover:
        """The same after offsets or partitions became others: of a sender of its own, which nobody has heard of."""
        return msgspec.structs.replace(self, sender=f"{name}/{self.sender}")


class Handovers:
    """Records that wait until the checkpoint which has them is durable; part of the checkpoint.

    Parameters
    ----------
    waiting
        In order; written to.
    """

    def __init__(self, waiting: list[Handover]) -> None:
        self._waiting = waiting
        self._sent = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event, user_id: str, value: bytes, *, carried: bytes = b"") -> None:
        """Have a record sent to the partition of a user because of an event."""
        headers: list[tuple[str, bytes]] = [*entry_headers(event), (USER, user_id.encode())]
        if value is not event.raw and not event.rewritten:
            headers.append(OWN_FORM_HEADER)
        if carried:
            headers.append((STATE, carried))
        sender = f"{event.topic}/{event.partition}{IDENTITY_LANE}"
        self._waiting.append(Handover(sender, event.offset, user_id.encode(), value, tuple(headers)))

    def take(self) -> Sequence[Handover]:
        """Take out all that waits, where nothing has to be durable."""
        taken = tuple(self._waiting)
        self._waiting.clear()
        self._sent = 0
        return taken

    def checkpoint(self) -> Sequence[Handover]:
        """Records to be sent once the checkpoint that is taken now is durable. It has them all.

        Those of the checkpoint before are acknowledged before this one is written, so it has them no more.
        """
        del self._waiting[: self._sent]
        self._sent = len(self._waiting)
        return tuple(self._waiting)


def closes_circle(event: Event, entity_id: str) -> bool:
    """Whether a profile comes back to the id that it is of: all that it was merged into was merged into it."""
    return event.event_type == MERGE_TYPE and event.identity is not None and event.identity.other == entity_id


def undoes(event: Event) -> bool:
    """Whether an identity command undoes a merge."""
    return event.event_type in (SPLIT_TYPE, UNMERGE_TYPE) or (
        event.identity is not None and event.identity.other == event.user_id
    )


def redirects(event: Event) -> bool:
    """Whether an event of a merged id counts for its user: all but what is about the id itself."""
    if event.event_type == ERASE_TYPE:
        return False
    return event.identity is None or event.event_type in INTERNAL_TYPES


def hand_over(handovers: Handovers, event: Event, state: UserState, watermark_ms: int, *, carried: bytes) -> None:
    """Send the profile of a merged id to its user. It carries no state where that was handed over before."""
    properties = {ANONYMOUS_ID: event.user_id, WATERMARK: watermark_ms}
    _send(handovers, event, MERGE_TYPE, state.merged_into, properties, carried)


def take_back(handovers: Handovers, event: Event, user_id: str, *, carried: bytes) -> None:
    """Have a user's partition take a merged profile out of the user's."""
    _send(handovers, event, UNMERGE_TYPE, user_id, {ANONYMOUS_ID: event.user_id}, carried)


def erase_others(handovers: Handovers, event: Event, entity_id: str, state: UserState | None) -> None:
    """Have the ids erased that the erased one was merged with, one after the other: each sends on the rest."""
    handed = event.properties if is_handed_over(event) else {}
    erased = {*handed.get(ERASED_IDS, ()), entity_id}
    linked = [] if state is None else [*state.identities, *filter(None, [state.merged_into])]
    rest = [one for one in dict.fromkeys((*handed.get(OTHER_IDS, ()), *linked)) if one not in erased]
    if rest:
        _send(handovers, event, ERASE_TYPE, rest[0], {ERASED_IDS: sorted(erased), OTHER_IDS: rest[1:]}, b"")


def erase_source(handovers: Handovers, event: Event, entity_id: str) -> None:
    """Erase the id whose profile came after its user was erased: it is the same person."""
    if event.event_type == MERGE_TYPE and event.identity is not None:
        properties = {ERASED_IDS: [entity_id], OTHER_IDS: []}
        _send(handovers, event, ERASE_TYPE, event.identity.other, properties, b"")


def parked(state: UserState) -> None:
    """Leave in the state of a merged id what a split gives back; what waits for time or for its next event goes."""
    state.keep_pending([])
    state.asked_cell = -1
    for ticks in (state.event_seconds, state.intent_seconds, state.active_hours):
        ticks.clear()


def note_identity(state: UserState, other: str, at_ms: int) -> None:
    """Note an id that was merged, in place of the oldest."""
    known = {key: since_ms for key, since_ms in state.identities.items() if key != other}
    known[other] = state.identities.get(other, at_ms)
    state.identities = dict(list(known.items())[-MAX_IDENTITIES:])


def encoded(state: UserState) -> bytes:
    """A state as it is carried; nothing for one without events."""
    return encode_state(state, epoch=0, offset=-1) if state.events else b""


def _send(
    handovers: Handovers, event: Event, event_type: str, user_id: str, properties: Mapping[str, object], carried: bytes
) -> None:
    value = msgspec.json.encode(
        {
            "event_id": event.event_id,
            "event_time": event.event_time_ms,
            "event_type": event_type,
            "user_id": user_id,
            "properties": properties,
            "trace_id": event.trace_id,
        }
    )
    handovers.add(event, user_id, value, carried=carried)
