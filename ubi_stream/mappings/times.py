"""How a cell becomes a time: by one format and one zone, strictly.

What does not fit is no time. Nobody else may read it by other rules: the same text would be another moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from ubi_stream.mappings.values import as_number

# Beyond the year 9999 or before year 1 a number of milliseconds is no time; `datetime` has the same limits.
_MIN_TIME_MS, _MAX_TIME_MS = -62_135_596_800_000, 253_402_300_799_999
_EPOCH_UNITS_MS: Final = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000_001}
_TIME_CACHE: Final = 4096  # files are in time order, so neighbours share their time; strptime costs 5 microseconds
_EXPECTED: Final = 'expected "iso", "s", "ms", "us", "ns", or a pattern with the whole date such as "%Y-%m-%d %H:%M:%S"'


def time_reader(time_format: str, timezone: str) -> Callable[[Any], int | None]:
    """Make the function that reads times of one format.

    Parameters
    ----------
    time_format
        "iso", "s", "ms", "us", "ns" (since 1970), or a `strptime` pattern such as "%d/%m/%Y %H:%M".
    timezone
        IANA name of the zone of times that carry none.

    Returns
    -------
    Callable
        From a cell to Unix milliseconds, or None where the cell is no time of that format, or none of that zone (an
        hour that daylight saving time skips).

    Raises
    ------
    ValueError
        The format or the zone is unknown, or the pattern doesn't say the whole date, or says the hour by half.

    >>> read = time_reader("%Y-%m-%d %H:%M:%S UTC", "UTC")
    >>> read("2019-10-01 00:00:01 UTC"), read("yesterday")
    (1569888001000, None)
    """
    try:
        zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"unknown time zone {timezone!r}; expected a name such as Europe/Berlin") from error
    if time_format in _EPOCH_UNITS_MS:
        return _epoch_reader(_EPOCH_UNITS_MS[time_format], zone)
    if time_format != "iso":
        _check_pattern(time_format)
    return _text_reader(time_format, zone)


def _check_pattern(pattern: str) -> None:
    directives = set(re.findall(r"%(.)", pattern.replace("%%", "")))
    if "I" in directives and "p" not in directives:
        raise ValueError("%I is an hour of the half day: expected %p (AM, PM) beside it, or %H")
    if "p" in directives and "I" not in directives:
        raise ValueError("%p (AM, PM) means nothing beside %H: expected %I")
    if "Z" in directives:
        raise ValueError("%Z reads a name and ignores it: expected %z for an offset, or the zone as timezone")
    probe = datetime(2001, 2, 3, 16, 5, 6, tzinfo=UTC)
    try:
        read = datetime.strptime(probe.strftime(pattern), pattern)
    except (ValueError, re.error) as error:
        raise ValueError(f"{_EXPECTED}: {error}") from error
    if read.date() != probe.date():
        raise ValueError(_EXPECTED)


def _epoch_reader(unit_ms: float, zone: tzinfo) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        if isinstance(value, datetime | date):
            return _change(value, zone)
        number = as_number(value)
        if not isinstance(number, float):
            return None
        time_ms = number * unit_ms
        return round(time_ms) if _MIN_TIME_MS <= time_ms <= _MAX_TIME_MS else None

    return read


def _text_reader(time_format: str, zone: tzinfo) -> Callable[[Any], int | None]:
    @lru_cache(maxsize=_TIME_CACHE)
    def read_text(text: str) -> int | None:
        try:
            if time_format == "iso":
                return _to_ms(datetime.fromisoformat(text.strip()), zone)
            return _to_ms(datetime.strptime(text, time_format), zone)
        except (ValueError, OverflowError):
            return None

    def read(value: Any) -> int | None:
        if isinstance(value, str):
            return read_text(value)
        return _change(value, zone) if isinstance(value, datetime | date) else None

    return read


def _change(value: datetime | date, zone: tzinfo) -> int | None:
    """A time or a day of Parquet; a day begins at midnight in the zone."""
    try:
        return _to_ms(value if isinstance(value, datetime) else datetime.combine(value, time()), zone)
    except (ValueError, OverflowError):
        return None


def _to_ms(at: datetime, zone: tzinfo) -> int:
    """Unix milliseconds.

    Raises
    ------
    ValueError, OverflowError
        The zone's clocks never show this time, or it is beyond the calendar.
    """
    aware = at
    if at.tzinfo is None:
        aware = at.replace(tzinfo=zone)
        if zone is not UTC and aware.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != at:
            raise ValueError("the zone's clocks were put forward over this time")
    # Whole seconds and microseconds apart: a float of seconds would lose the last digit.
    return int(aware.replace(microsecond=0).timestamp()) * 1000 + aware.microsecond // 1000
