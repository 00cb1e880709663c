"""Numbers with their units, as a person writes them."""

from __future__ import annotations

from typing import Final

from ubi_stream.features.registry import HOUR_OF_DAY
from ubi_stream.packs.texts import Texts

SPOKEN_UNITS: Final = frozenset(
    ("ms", "seconds", "minutes", "hours", "days", "deviations", "bits", "times", "events a minute")
)
"""Units that a number is not clear without; the others stand in the feature's title."""
_HARDLY_ANY_PERCENT: Final = 0.1
"""A smaller share is no number that a person keeps in mind."""
_LARGER: Final = {
    "ms": (1000.0, "seconds", 1000.0),
    "seconds": (120.0, "minutes", 60.0),
    "minutes": (120.0, "hours", 60.0),
    "hours": (48.0, "days", 24.0),
}
"""From how many of a unit on the next one is clearer, and how many make one of that."""


def in_words(value: float, unit: str, texts: Texts) -> str:
    """A value with its unit, as a person says it.

    Money has the currency, where `texts.units` names one for it.

    >>> shown = (0.609, "share"), (3, "events"), (412.4, "ms"), (1, "0 or 1"), (12.5, "minutes"), (0.55, "minutes")
    >>> [in_words(value, unit, Texts()) for value, unit in shown]
    ['61 %', '3', '412 ms', 'yes', '12.5 minutes', '33 seconds']
    >>> in_words(7140, "ms", Texts()), in_words(3.5, HOUR_OF_DAY, Texts())
    ('7.14 seconds', '03:30')
    >>> in_words(0.0004, "share", Texts())
    'hardly any'
    """
    if unit == "0 or 1" and value in (0.0, 1.0):
        return texts.yes if value else texts.no
    if unit == HOUR_OF_DAY:
        minutes = round(60 * value)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    value, unit = in_clear_unit(value, unit)
    if unit == "%":
        if 0.0 < value < _HARDLY_ANY_PERCENT:
            return texts.hardly_any
        return f"{value:.0f} %" if value == 0.0 or 1.0 <= value <= 99.0 else f"{value:.3g} %"
    if unit in SPOKEN_UNITS:
        return f"{short(value)} {texts.units.get(unit, unit)}"
    return f"{short(value)} {texts.units[unit]}" if unit in texts.units else short(value)


def in_clear_unit(value: float, unit: str) -> tuple[float, str]:
    """The same in the unit that a person would choose: long times in larger ones, shares in per cent.

    >>> in_clear_unit(0.2, "share"), in_clear_unit(0.5, "minutes"), in_clear_unit(5400, "seconds")
    ((20.0, '%'), (30.0, 'seconds'), (90.0, 'minutes'))
    """
    if unit in ("share", "0 or 1"):  # a mean of yes and no is a share
        return 100.0 * value, "%"
    if unit == "minutes" and 0.0 < abs(value) < 1.0:
        return round(60.0 * value, 1), "seconds"
    while unit in _LARGER and abs(value) >= _LARGER[unit][0]:
        _, larger, of_them = _LARGER[unit]
        value, unit = value / of_them, larger
    return value, unit


def short(value: float) -> str:
    """A number as a person writes it: three significant digits, no exponent.

    >>> short(1234.5678), short(0.01234), short(3.0)
    ('1235', '0.0123', '3')
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-4 else f"{value:.1e}"
