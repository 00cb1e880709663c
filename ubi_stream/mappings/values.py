"""A cell of a file becomes a value of an event.

Nothing here raises for data: a value that can't be read as its type comes back as it is, and `is_of` tells so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any, Literal, get_args

import msgspec

ColumnType = Literal["string", "number", "int", "bool", "json"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)

_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n"})
_MAX_INT = 2**63 - 1
_EXACT_BELOW = 2.0**53  # from here on a float may stand for several whole numbers
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
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
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT_BELOW else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, dict | list | bytes) else str(value)


def as_id(value: Any) -> Any:
    """Text of an id, as `as_string`; a number that a float may have rounded comes back as it is.

    >>> as_id(17), as_id(17.0), as_id(38120938471029384710293847102938471001), as_id(1.5)
    ('17', '17', '38120938471029384710293847102938471001', 1.5)
    """
    if isinstance(value, float) and not (value.is_integer() and abs(value) < _EXACT_BELOW):
        return value
    return as_string(value)


def as_number(value: Any) -> Any:
    """Finite float, or the value as it is; infinity as text, because JSON has no other word for it.

    >>> as_number("35.79"), as_number(" 3 "), as_number("n/a"), as_number(float("inf"))
    (35.79, 3.0, 'n/a', 'inf')
    """
    if isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value.strip())):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return value
    if math.isfinite(number):
        return number
    return str(value) if isinstance(value, float) else value


def number_reader(decimal: str, thousands: str, signs: Collection[str]) -> Callable[[Any], Any]:
    """Make the function that reads numbers as people of one country write them, and nothing else.

    Parameters
    ----------
    decimal, thousands
        The characters before the fraction and between groups of three digits; `thousands` may be empty. Groups may be
        left out, but never be of another length.
    signs
        Texts that may stand before or behind the number, such as "€".

    Returns
    -------
    Callable
        From a cell to a finite float, or to the cell as it is.

    >>> read = number_reader(",", ".", ["€"])
    >>> read("1.234,56 €"), read("-12,00"), read("12.00"), read(7)
    (1234.56, -12.0, '12.00', 7.0)
    """
    point, group = re.escape(decimal), re.escape(thousands)
    whole = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)" if thousands else r"\d+"
    form = re.compile(rf"([+-]?)({whole}(?:{point}\d*)?|{point}\d+)", re.ASCII)

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return as_number(value)
        text = value.strip().replace("\N{MINUS SIGN}", "-")
        minus = text.startswith("-")
        for sign in signs:
            text = text.removeprefix("-").removeprefix(sign) if minus else text.removeprefix(sign)
            text = text.removesuffix(sign).strip()
            text = "-" + text if minus and not text.startswith("-") else text
        match = form.fullmatch(text)
        if match is None:
            return value
        digits = match[2].replace(thousands, "") if thousands else match[2]
        return as_number(match[1] + digits.replace(decimal, "."))

    return read


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
    bad = isinstance(value, bool) or abs(number) > _MAX_INT or not isinstance(as_number(value), float)
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
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value


CONVERTERS: dict[ColumnType, Callable[[Any], Any]] = {
    "string": as_string,
    "number": as_number,
    "int": as_int,
    "bool": as_bool,
    "json": as_json,
}


_TYPES: dict[ColumnType, type | tuple[type, ...]] = {"number": float, "int": int, "bool": bool}


def is_of(value: Any, kind: ColumnType) -> bool:
    """Whether a converted value is of its type: what could not be read is not.

    >>> is_of(as_int("12"), "int"), is_of(as_int("12.5"), "int")
    (True, False)
    """
    expected = _TYPES.get(kind)
    return expected is None or (isinstance(value, expected) and (kind == "bool" or not isinstance(value, bool)))


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
