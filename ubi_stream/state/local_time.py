"""The clock on the user's wall: known from the event, else from the pack, else not known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ubi_stream.state.panes import HOUR_MS, MINUTE_MS

_MAX_ZONES: Final = 1000
_DAY_MIN: Final = 1440
_zones: dict[str, ZoneInfo | None] = {}


def utc_offset_min(time_ms: int, context: Mapping[str, Any], default: str | None = None) -> int | None:
    """How far the user's clock is ahead of UTC, in minutes.

    Parameters
    ----------
    context
        Of the event: `utc_offset_min` is used first, then the IANA name in `timezone`.
    default
        IANA name of the zone that the pack assumes; None assumes none.

    Returns
    -------
    int or None
        Between -1439 and 1439. None where nothing names a zone: UTC is no default, because it is nobody's clock.
    """
    if context:
        offset = context.get("utc_offset_min")
        if type(offset) is int and -_DAY_MIN < offset < _DAY_MIN:
            return offset
        name = context.get("timezone")
        if type(name) is str and (zone := find_zone(name)) is not None:
            return _offset_in(zone, time_ms)
    if default is not None and (zone := find_zone(default)) is not None:
        return _offset_in(zone, time_ms)
    return None


def hour_at(time_ms: int, offset_min: int) -> int:
    """Hour of the day, 0 to 23, on a clock that is so far ahead of UTC."""
    return (time_ms + offset_min * MINUTE_MS) // HOUR_MS % 24


def find_zone(name: str) -> ZoneInfo | None:
    """The zone with that IANA name; None where there is none. A bounded number of names is remembered."""
    if name not in _zones:
        if len(_zones) >= _MAX_ZONES:
            _zones.clear()
        try:
            _zones[name] = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            _zones[name] = None
    return _zones[name]


def _offset_in(zone: ZoneInfo, time_ms: int) -> int:
    offset = datetime.fromtimestamp(time_ms / 1000, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() / 60)
