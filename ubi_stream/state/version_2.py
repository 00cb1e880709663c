"""Reads states of codec version 2.

It kept each question's features with the question, and a baseline also of what had no value yet.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ubi_stream.state.model import UserState, VisitTotals

_NO_VALUE: Final = [0, 0.0, 0.0]
_ROW: Final = 4
"""Where a question had its features."""
_FIELDS: Final = {name: position for position, name in enumerate(UserState.__struct_fields__)}
_OF_VISITS: Final = {name: position for position, name in enumerate(VisitTotals.__struct_fields__)}


def decode_version_2(content: memoryview) -> UserState:
    """A state as this release has it. A yet older one has fewer fields.

    Raises
    ------
    msgspec.DecodeError
        The bytes are no state.
    """
    fields: list[Any] = msgspec.msgpack.decode(content, type=list)
    for name in ("amount", "latency_ms"):
        _without_empty(fields, _FIELDS[name])
    visits = _FIELDS["visits"]
    if len(fields) > visits:
        for name in ("duration_s", "depth"):
            _without_empty(fields[visits], _OF_VISITS[name])
    if len(fields) > _FIELDS["questions"]:
        pending_predictions = fields[_FIELDS["questions"]]
        fields.append({pending[1]: pending.pop(_ROW) for pending in pending_predictions})
    return msgspec.convert(fields, UserState)


def _without_empty(values: list[Any], position: int) -> None:
    """None for a baseline that has no value yet."""
    if len(values) > position and values[position] == _NO_VALUE:
        values[position] = None
