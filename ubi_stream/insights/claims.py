"""Claims: what an explanation says, as comparisons that a machine can check.

A sentence is made of claims. It contains no number that is not the value or the bound of one of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from ubi_stream.features.declared import pack_features
from ubi_stream.features.registry import HOUR_OF_DAY
from ubi_stream.insights.wording import in_clear_unit
from ubi_stream.packs.base import COMPARE, Operator
from ubi_stream.packs.schema import Pack

BoundIs = Literal["threshold", "own_usual", "peers"]
"""The bound of a claim: a threshold of pack or model, what is usual of this entity, or of the others."""

OPPOSITE: Final[Mapping[Operator, Operator]] = MappingProxyType(
    {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}
)
_QUOTED: Final = re.compile("[“„][^”“]*[”“]")
"""Data of events that a sentence cites: names, not measurements."""
_NUMBER: Final = re.compile(r"(?<![\w.:])\d{1,2}:\d\d(?!\d)|(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Claim(msgspec.Struct, frozen=True, gc=False):
    """`value` of `feature`, in `unit`, compared with `bound`.

    Attributes
    ----------
    feature
        A feature of the pack, or what else was measured ("entities", "factor").
    value
        None where there is none: it meets no condition, and `op` and `bound` are the condition that it does not meet.
    unit
        Of value and bound, as features name it: "events", "ms", "share", "money".
    """

    feature: str
    value: float | None
    unit: str
    op: Operator
    bound: float
    bound_is: BoundIs


def compared(feature: str, value: float, unit: str, bound: float, bound_is: BoundIs) -> Claim:
    """The claim that a value is above, below, or at a bound, whichever is true.

    >>> compared("events_1h", 40, "events", 17, "own_usual").op
    '>'
    """
    op: Operator = ">" if value > bound else "<" if value < bound else "=="
    return Claim(feature, value, unit, op, bound, bound_is)


def stated(feature: str, value: float, unit: str) -> Claim:
    """The claim of a number that is compared with nothing: it is what it is."""
    return Claim(feature, value, unit, "==", value, "threshold")


def holds(claim: Claim) -> bool:
    """Whether a claim is true of its own numbers; one without a value says only that.

    >>> holds(Claim("events_1h", 40, "events", ">", 17, "own_usual"))
    True
    """
    return claim.value is None or COMPARE[claim.op](claim.value, claim.bound)


def unclaimed_numbers(
    summary: str,
    claims: Sequence[Claim],
    *,
    titles: Mapping[str, str] = MappingProxyType({}),
    names: Collection[str] = (),
) -> list[str]:
    """Numbers of a sentence that no claim gives; empty where the sentence says no more than its claims.

    A number is a claim's if it is its value or bound, rounded as it is printed, in the claim's unit or in the clearer
    one that sentences use. The numbers in a claimed feature's title are its name ("events in 24 hours").

    Parameters
    ----------
    titles
        Title of each feature: `titles_of` a pack.
    names
        Words that the sentence may contain as they are, such as names of segments and outcomes with digits.

    Examples
    --------
    >>> waited = Claim("last_latency_ms", 7140, "ms", ">", 3000, "threshold")
    >>> unclaimed_numbers("the checkout took 7.14 seconds, more than 3 seconds", [waited])
    []
    >>> unclaimed_numbers("the checkout took 7.2 seconds, twice in 10 minutes", [waited])
    ['7.2', '10']
    """
    text = _QUOTED.sub(" ", summary)
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, " ")
    named = {number for claim in claims for number in _NUMBER.findall(titles.get(claim.feature, ""))}
    known = [form for claim in claims for form in _forms(claim)]
    return [
        number
        for number in _NUMBER.findall(text)
        if number not in named and not any(_is_printed_as(value, number) for value in known)
    ]


def titles_of(pack: Pack) -> dict[str, str]:
    """What a pack calls its features."""
    return {name: pack.texts.features.get(name, found.title) for name, found in pack_features(pack).items()}


def _forms(claim: Claim) -> Iterator[float]:
    """A claim's numbers, each in its own unit and in the clearer one; a time of day as minutes too."""
    for value in (claim.value, claim.bound):
        if value is not None:
            yield value
            yield in_clear_unit(value, claim.unit)[0]
            if claim.unit == HOUR_OF_DAY:
                yield round(60 * value)


def _is_printed_as(value: float, number: str) -> bool:
    """Whether a value is a printed number, up to half a unit of its last digit."""
    if ":" in number:
        hours, minutes = number.split(":")
        return value == 60 * int(hours) + int(minutes)
    mantissa, _, exponent = number.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return abs(value - float(number)) <= 0.5000001 * 10.0 ** (int(exponent or 0) - decimals)
