"""What a person says in a `$label` event about an insight, or about an outcome of a user.

A `$label` event without the properties `label` and `insight_id` is none of these: it is a label that the stream brings
by itself, in the properties that the pack's roles name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from ubi_stream.events.fields import missing_or_wrong, read_optional_id, refuse, short
from ubi_stream.events.limits import MAX_NOTE_CHARACTERS, MAX_WEIGHT
from ubi_stream.packs.roles import VERDICT_PROPERTIES
from ubi_stream.packs.schema import LABEL_TYPE
from ubi_stream.reasons import DeadLetterReason as Reason

CONFIRMED: Final = "confirmed"
FALSE_POSITIVE: Final = "false_positive"

ANSWERS: Final = {"accepted": True, "implemented": True, "ignored": False, "dismissed": False}
"""What may be said of a recommendation, besides right and wrong."""

_WORDS: Final[dict[object, bool]] = {"true": True, "false": False, CONFIRMED: True, FALSE_POSITIVE: False}
_INSIGHT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Label(msgspec.Struct, frozen=True, gc=False):
    """A person's label.

    Attributes
    ----------
    insight_id
        The insight that it is about; None means the newest one that the user was told about.
    outcome
        Name of the pack's outcome that it teaches, or one of `ANSWERS`; None where it is about the insight itself.
    positive
        Whether the insight was right, or the outcome came true.
    weight
        How much it counts, in (0, 10]; 1 is a label like any other.
    author, note
        Who says so, and why: shown with the label, never learned from.
    """

    insight_id: str | None
    outcome: str | None
    positive: bool
    weight: float = 1.0
    author: str | None = None
    note: str | None = None

    @property
    def label(self) -> str:
        """The label as a word."""
        return CONFIRMED if self.positive else FALSE_POSITIVE


def label_event(
    event_id: str, at_ms: int, entity_id: str, properties: Mapping[str, Any], *, key: str | None = None
) -> bytes:
    """A label as an event; `key` is the property with the id where the entity is no user.

    >>> label_event("l-1", 0, "u-1", {"label": True})
    b'{"event_id":"l-1","event_time":0,"event_type":"$label","user_id":"u-1","properties":{"label":true}}'
    """
    return msgspec.json.encode(
        {
            "event_id": event_id,
            "event_time": at_ms,
            "event_type": LABEL_TYPE,
            "user_id": entity_id,
            "properties": {**properties, key: entity_id} if key else properties,
        }
    )


def read_verdict(properties: Mapping[str, Any], outcomes: Collection[str]) -> Label | None:
    """Read the properties of a `$label` event; None if it is no person's. `outcomes` are those of the pack.

    >>> read_verdict({"outcome": "churned", "label": True, "weight": 2}, ["churned"])
    Label(insight_id=None, outcome='churned', positive=True, weight=2.0, author=None, note=None)
    >>> read_verdict({"tx_id": "p-993", "fraud": True}, []) is None
    True

    Raises
    ------
    RefusedError
        A property is wrong.
    """
    if VERDICT_PROPERTIES.isdisjoint(properties):
        return None
    get = properties.get
    outcome, positive = _outcome(get("outcome"), get("label"), outcomes)
    return Label(
        insight_id=_insight_id(get("insight_id")),
        outcome=outcome,
        positive=positive,
        weight=_weight(get("weight")),
        author=read_optional_id(get("author"), "properties.author"),
        note=_note(get("note")),
    )


def _outcome(outcome: object, label: object, outcomes: Collection[str]) -> tuple[str | None, bool]:
    """The outcome that a label is about, if any, and whether it says yes. An outcome's own name is a yes too."""
    if outcome is not None:
        outcome = _name(outcome, "outcome", outcomes, or_else="")
    if type(label) is bool:
        return outcome, label
    if type(label) is not str:
        missing_or_wrong(label, "properties.label", "true, false or a string")
    if label in _WORDS:
        return outcome, _WORDS[label]
    name = _name(label, "label", (*ANSWERS, *outcomes), or_else=f"{', '.join(map(str, _WORDS))}, ")
    if outcome not in (None, name):
        refuse(
            Reason.INVALID_VALUE,
            "properties.label",
            f"label is {short(label)}; of the outcome {outcome} it says {CONFIRMED}, {FALSE_POSITIVE}, true or false",
        )
    return name, True


def _name(value: object, field: str, allowed: Collection[str], *, or_else: str) -> str:
    """A word that must be among those allowed; `or_else` are further ones for the message."""
    if type(value) is not str:
        missing_or_wrong(value, f"properties.{field}", "a string")
    if value not in allowed:
        names = f"{or_else}{', '.join(allowed)}" or "none: the pack has no outcomes"
        refuse(Reason.INVALID_VALUE, f"properties.{field}", f"{field} is {short(value)}; there are: {names}")
    return value


def _insight_id(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        missing_or_wrong(value, "properties.insight_id", "a string")
    if not _INSIGHT_ID.fullmatch(value):
        refuse(Reason.INVALID_VALUE, "properties.insight_id", f"insight_id is {short(value)}, a UUID was expected")
    return value.lower()


def _weight(value: object) -> float:
    if value is None:
        return 1.0
    if type(value) is not int and type(value) is not float:
        missing_or_wrong(value, "properties.weight", "a number")
    if not 0 < value <= MAX_WEIGHT:  # of NaN neither is true
        refuse(
            Reason.INVALID_VALUE,
            "properties.weight",
            f"weight is {short(value)}, a number above 0 and up to {MAX_WEIGHT} was expected",
        )
    return float(value)


def _note(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        missing_or_wrong(value, "properties.note", "a string")
    if len(value) > MAX_NOTE_CHARACTERS:
        refuse(Reason.TOO_LARGE, "properties.note", f"note has more than {MAX_NOTE_CHARACTERS} characters")
    return value or None
