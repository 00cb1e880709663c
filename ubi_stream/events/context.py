"""Where the user's clock is: the two names of an event's context that have a meaning."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from zoneinfo import available_timezones

from ubi_stream.events.fields import missing_or_wrong, refuse, short
from ubi_stream.events.numbers import read_number
from ubi_stream.reasons import DeadLetterReason as Reason

OFFSET: Final = "utc_offset_min"
TIMEZONE: Final = "timezone"
_DAY_MIN: Final = 1440


def read_clock(context: dict[str, Any]) -> None:
    """Read both in place: the offset as whole minutes, the zone by its IANA name. Empty ones are absent.

    >>> context = {"utc_offset_min": "120", "timezone": "europe/berlin"}
    >>> read_clock(context)
    >>> context
    {'utc_offset_min': 120, 'timezone': 'Europe/Berlin'}

    Raises
    ------
    RefusedError
        One of them can't be read: taken for UTC, the user's night would be another.
    """
    offset = context.get(OFFSET)
    if offset is not None and type(offset) is not int:
        context[OFFSET] = offset = _whole(offset)
    if offset is not None and not -_DAY_MIN < offset < _DAY_MIN:
        refuse(
            Reason.INVALID_VALUE, f"context.{OFFSET}", f"{OFFSET} is {offset}, minutes of less than a day were expected"
        )
    zone = context.get(TIMEZONE)
    if zone is not None:
        context[TIMEZONE] = _zone(zone)


def _whole(value: object) -> int | None:
    if value == "":
        return None
    minutes = read_number(value, f"context.{OFFSET}")
    if not minutes.is_integer():
        refuse(Reason.INVALID_VALUE, f"context.{OFFSET}", f"{OFFSET} is {short(value)}, whole minutes were expected")
    return int(minutes)


def _zone(value: object) -> str | None:
    if type(value) is not str:
        missing_or_wrong(value, f"context.{TIMEZONE}", "the name of a time zone")
    if not value.strip():
        return None
    name = _names().get(value.strip().lower())
    if name is None:
        refuse(
            Reason.INVALID_VALUE,
            f"context.{TIMEZONE}",
            f"{TIMEZONE} is {short(value)}, an IANA name such as Europe/Berlin was expected; or send {OFFSET}",
        )
    return name


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Names of all zones by their lower-case form: some senders write them so."""
    return {name.lower(): name for name in available_timezones()}
