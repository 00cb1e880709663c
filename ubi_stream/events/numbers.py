"""Numbers and flags of an event, from JSON's own or from text that can mean nothing else."""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from ubi_stream.events.fields import missing_or_wrong, refuse, short
from ubi_stream.reasons import DeadLetterReason as Reason

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FLAGS: Final[dict[object, bool]] = {
    **dict.fromkeys(("true", "1", "1.0", "t", "yes", "y"), True),
    **dict.fromkeys(("false", "0", "0.0", "f", "no", "n"), False),
}
MAX_AMOUNT: Final = 1e12
"""A number beyond it is taken for a mistake."""


def read_number(value: object, field: str) -> float:
    """A number within bounds. Text counts as one in its plainest form alone: whether `1,234` is 1.234 is not guessed.

    >>> read_number("19.90", "properties.price")
    19.9

    Raises
    ------
    RefusedError
        It is none.
    """
    name = field.rpartition(".")[2]
    if type(value) is str:
        if not _NUMBER.fullmatch(value.strip()):
            refuse(Reason.INVALID_VALUE, field, f"{name} is {short(value)}, a number such as 1234.5 was expected")
    elif type(value) is not int and type(value) is not float:
        missing_or_wrong(value, field, "a number")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number) or abs(number) > MAX_AMOUNT:
        refuse(Reason.INVALID_VALUE, field, f"{name} is {short(value)}, at most {MAX_AMOUNT:g} was expected")
    return number


def read_flag(value: object, field: str) -> bool:
    """True or false, also as 1 and 0 or as words.

    >>> read_flag(0, "properties.fraud"), read_flag("Yes", "properties.fraud")
    (False, True)

    Raises
    ------
    RefusedError
        It is neither.
    """
    if type(value) is bool:
        return value
    if type(value) not in (int, float, str):
        missing_or_wrong(value, field, "true or false")
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        refuse(Reason.WRONG_TYPE, field, f"{field.rpartition('.')[2]} is {short(value)}, true or false was expected")
    return flag
