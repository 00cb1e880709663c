"""A cell of a file becomes a value of an event.

Nothing here raises for data: a value that can't be read as its type is passed on as it is, so that the pipeline makes
a dead letter of the event with the value in it. Silently dropping or repairing it would hide the producer's mistake.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import orjson

ColumnType = Literal["string", "number", "int", "bool", "json"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n"})
_MAX_INT = 2**63 - 1
# Beyond the year 9999 or before year 1 a number of milliseconds is no time; `datetime` has the same limits.
_MIN_TIME_MS, _MAX_TIME_MS = -62_135_596_800_000, 253_402_300_799_999
_EPOCH_UNITS_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
_TIME_CACHE = 4096  # files are in time order, so neighbours share their time; strptime costs 5 microseconds
_DURATION_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def as_string(value: Any) -> Any:
    """Text of a value; a whole float loses its ".0", because ids of a Parquet column with gaps are floats.

    >>> as_string(17), as_string(17.0), as_string(True), as_string("x")
    ('17', '17', 'true', 'x')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, dict | list | bytes) else str(value)


def as_number(value: Any) -> Any:
    """Finite float, or the value as it is.

    >>> as_number("35.79"), as_number(3), as_number("n/a"), as_number("inf")
    (35.79, 3.0, 'n/a', 'inf')
    """
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return value
    return number if math.isfinite(number) else value


def as_int(value: Any) -> Any:
    """Whole number of at most 64 bits, or the value as it is.

    >>> as_int("12"), as_int(12.0), as_int("12.0"), as_int("12.5")
    (12, 12, 12, '12.5')
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        wide = as_number(value)
        if not isinstance(wide, float) or not wide.is_integer():
            return value
        number = int(wide)
    bad = isinstance(value, bool) or abs(number) > _MAX_INT or (isinstance(value, str) and "_" in value)
    return value if bad else number


def as_bool(value: Any) -> Any:
    """True for 1, true, t, yes, y and False for 0, false, f, no, n in any case; else the value as it is.

    >>> as_bool("1"), as_bool("No"), as_bool(0), as_bool("maybe")
    (True, False, False, 'maybe')
    """
    text = str(as_string(value)).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else value


def as_json(value: Any) -> Any:
    """What the text says as JSON; a value that is no text, or no JSON, as it is.

    >>> as_json('{"a": [1]}'), as_json([2]), as_json("{")
    ({'a': [1]}, [2], '{')
    """
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


CONVERTERS: dict[ColumnType, Callable[[Any], Any]] = {
    "string": as_string,
    "number": as_number,
    "int": as_int,
    "bool": as_bool,
    "json": as_json,
}


def parse_duration_ms(text: str) -> int:
    """Milliseconds of a duration such as "250ms", "30s", "5m", "12h" or "3d".

    Raises
    ------
    ValueError
        The text is no duration.

    >>> parse_duration_ms("3d")
    259200000
    """
    match = re.fullmatch(r"(\d{1,9})(ms|s|m|h|d)", text)
    if match is None:
        raise ValueError('expected a whole number and a unit (ms, s, m, h, d), such as "3d"')
    return int(match[1]) * _DURATION_UNITS_MS[match[2]]


def time_reader(time_format: str, timezone: str) -> Callable[[Any], int | None]:
    """Make the function that reads times of one format.

    Parameters
    ----------
    time_format
        "iso", "s", "ms", "us" (since 1970), or a `strptime` pattern such as "%d/%m/%Y %H:%M".
    timezone
        IANA name of the zone of times that carry none.

    Returns
    -------
    Callable
        From a cell to Unix milliseconds, or None where the cell is no time of that format.

    Raises
    ------
    ValueError
        The format or the zone is unknown, or the pattern doesn't say the whole date.

    >>> read = time_reader("%Y-%m-%d %H:%M:%S UTC", "UTC")
    >>> read("2019-10-01 00:00:01 UTC"), read("yesterday")
    (1569888001000, None)
    """
    try:
        zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (KeyError, OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"unknown time zone {timezone!r}; expected a name such as Europe/Berlin") from error
    if time_format in _EPOCH_UNITS_MS:
        return _epoch_reader(_EPOCH_UNITS_MS[time_format])
    if time_format != "iso":
        _check_pattern(time_format)
    return _text_reader(time_format, zone)


def _check_pattern(pattern: str) -> None:
    expected = 'expected "iso", "s", "ms", "us", or a pattern with the whole date such as "%Y-%m-%d %H:%M:%S"'
    probe = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        read = datetime.strptime(probe.strftime(pattern), pattern)
    except (ValueError, re.error) as error:
        raise ValueError(f"{expected}: {error}") from error
    if read.date() != probe.date():
        raise ValueError(expected)


def _epoch_reader(unit_ms: float) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        if isinstance(value, datetime):
            return _to_ms(value, UTC)
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
        return _to_ms(value, zone) if isinstance(value, datetime) else None

    return read


def _to_ms(moment: datetime, zone: tzinfo) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    # Whole seconds and microseconds apart: a float of seconds would lose the last digit.
    return int(aware.replace(microsecond=0).timestamp()) * 1000 + aware.microsecond // 1000
