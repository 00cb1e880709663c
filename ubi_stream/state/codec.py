"""A state as bytes: a fixed header that can be read without decoding the rest, then msgpack, then a checksum.

Header: codec version (1 byte), source epoch (8), last applied offset of the entity's own topic (8), time of the newest
event in ms (8), number of events and labels applied (8), when to wake it at the latest for its questions and reviews,
in ms (8, 0: never); big-endian. The header serves the restore: which of two records is newer, when the entity's timers
are due. The checksum (CRC-32 of all before, 4 bytes) tells it whether the rest can be read: a damaged record must not
win by its header.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from ubi_stream.errors import RecoveryError
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.reviews import knows_habits

VERSION: Final = 3
_HEADER: Final = Struct(">BQqqQq")
_CHECKSUM: Final = Struct(">I")
_REVIEWED_WITHIN_MS: Final = 2 * DAY_MS
"""More than the watermark stays behind an entity's newest event: no review is due before that."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UserState).decode


class StateHeader(msgspec.Struct, frozen=True, gc=False, order=True):
    """What a state's record says about itself. Larger is newer, within one epoch.

    Time comes first: who was forgotten and came back counts from nothing again, but long after what was forgotten.
    """

    epoch: int
    last_ms: int
    applied: int
    offset: int
    due_ms: int


class Tombstone(NamedTuple):
    """What takes the place of a value that is forgotten.

    `of` is the header of the state (`encode_header`), so that one that comes late removes no newer state; without one,
    whatever is there is removed.
    """

    of: bytes = b""


def encode_state(state: UserState, *, epoch: int, offset: int) -> bytes:
    """Bytes of a state whose newest own-topic event was at `offset` (-1: none yet)."""
    return _checked(_header_of(state, epoch, offset) + _encode(state))


def encode_header(state: UserState, *, epoch: int, offset: int) -> bytes:
    """What `newer_state` looks at of a state: its record without content."""
    return _checked(_header_of(state, epoch, offset))


def decode_header(blob: bytes) -> StateHeader:
    """Read the header alone.

    Raises
    ------
    RecoveryError
        The bytes are no state, or of a codec version that this release does not know.
    """
    if len(blob) < _HEADER.size or blob[0] != VERSION:
        found = f"codec version {blob[0]}" if blob else "no bytes"
        raise RecoveryError(f"a state record has {found}, version {VERSION} was expected")
    _, epoch, offset, last_ms, applied, due_ms = _HEADER.unpack_from(blob)
    return StateHeader(epoch, last_ms, applied, offset, due_ms)


def decode_state(blob: bytes) -> tuple[StateHeader, UserState]:
    """Read header and state.

    Raises
    ------
    RecoveryError
        The bytes are no state of this codec version, or damaged.
    """
    header = decode_header(blob)
    _check(blob)
    content = memoryview(blob)[_HEADER.size : -_CHECKSUM.size]
    try:
        return header, _decode(content)
    except msgspec.DecodeError as error:
        raise RecoveryError(f"a state record can't be read: {error}") from error


def newer_state(known: bytes, other: bytes) -> bool:
    """Whether the other of two states of an entity is at least as new. Of two source epochs, the later written is.

    Raises
    ------
    RecoveryError
        One of them is no state, or the other one is damaged.
    """
    local, theirs = decode_header(known), decode_header(other)
    _check(other)
    return theirs.epoch != local.epoch or theirs >= local


def _header_of(state: UserState, epoch: int, offset: int) -> bytes:
    due_ms = min((pending.due_ms for pending in state.pending_predictions if pending.due_ms), default=0)
    if state.habits.head >= 0 and knows_habits(state):
        due_ms = min(due_ms or state.last_ms, state.last_ms - _REVIEWED_WITHIN_MS)
    return _HEADER.pack(VERSION, epoch, offset, state.last_ms, state.applied, due_ms)


def _checked(content: bytes) -> bytes:
    return content + _CHECKSUM.pack(crc32(content))


def _check(blob: bytes) -> None:
    """Compare a record with its checksum."""
    content = memoryview(blob)[: -_CHECKSUM.size]
    if len(blob) < _CHECKSUM.size or crc32(content) != _CHECKSUM.unpack_from(blob, len(content))[0]:
        raise RecoveryError(f"a state record of {len(blob)} bytes is damaged: its checksum is another")
