"""A state as bytes: a fixed header that can be read without decoding the rest, then msgpack.

Header: codec version (1 byte), source epoch (8), last applied offset of the entity's own topic (8), time of the newest
event in ms (8), number of events and labels applied (8); big-endian. The header serves the restore: which of two
records is newer, when the entity's timers are due.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

import msgspec

from ubi_stream.errors import RecoveryError
from ubi_stream.state.model import UserState

VERSION: Final = 1
_HEADER: Final = Struct(">BQqqQ")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(UserState).decode


class StateHeader(msgspec.Struct, frozen=True, gc=False, order=True):
    """What a state's record says about itself. Larger is newer, within one epoch."""

    epoch: int
    applied: int
    offset: int
    last_ms: int


def encode_state(state: UserState, *, epoch: int, offset: int) -> bytes:
    """Bytes of a state whose newest own-topic event was at `offset` (-1: none yet)."""
    return _HEADER.pack(VERSION, epoch, offset, state.last_ms, state.applied) + _encode(state)


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
    _, epoch, offset, last_ms, applied = _HEADER.unpack_from(blob)
    return StateHeader(epoch, applied, offset, last_ms)


def decode_state(blob: bytes) -> tuple[StateHeader, UserState]:
    """Read header and state.

    Raises
    ------
    RecoveryError
        The bytes are no state of this version.
    """
    header = decode_header(blob)
    try:
        return header, _decode(memoryview(blob)[_HEADER.size :])
    except msgspec.DecodeError as error:
        raise RecoveryError(f"a state record can't be read: {error}") from error


def newer_state(known: bytes, other: bytes) -> bool:
    """Whether the other of two states of an entity is at least as new. Of two source epochs, the later written is.

    Raises
    ------
    RecoveryError
        One of them is no state.
    """
    ours, theirs = decode_header(known), decode_header(other)
    return theirs.epoch != ours.epoch or theirs >= ours
