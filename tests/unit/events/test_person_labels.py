"""`$label` events of people: what they may say, what is refused and why, and which labels are not theirs."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import START_MS, event, record
from ubi_stream.events.model import DeadLetter, Event
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.events.verdict import Label
from ubi_stream.packs.schema import Events
from ubi_stream.reasons import DeadLetterReason as Reason

INSIGHT = "695ffd3b-3505-50d5-8f8e-fda8c16250e8"


def read(properties: dict[str, Any], event_type: str = "$label") -> Event | DeadLetter:
    content = event(event_type=event_type, properties=properties)
    validator = Validator(Events(types=("view",)), outcomes=("churned", "bought"))
    outcome = read_events([record(content, timestamp_ms=START_MS)], validator, forwarded=False)
    found: list[Event | DeadLetter] = [*outcome.events, *outcome.dead_letters]
    (only,) = found
    return only


def verdict_of(**properties: Any) -> Label | None:
    outcome = read(properties)
    assert isinstance(outcome, Event), outcome
    return outcome.verdict


def test_a_label_may_say_all_of_this() -> None:
    verdict = verdict_of(
        insight_id=INSIGHT.upper(), label="false_positive", weight=2.5, author="ann@shop.example", note="a crawler"
    )
    assert verdict == Label(INSIGHT, None, positive=False, weight=2.5, author="ann@shop.example", note="a crawler")


@pytest.mark.parametrize(
    ("properties", "outcome", "positive"),
    [
        ({"label": "confirmed"}, None, True),
        ({"label": "false_positive"}, None, False),
        ({"label": True}, None, True),
        ({"label": False}, None, False),
        ({"label": "true"}, None, True),
        ({"label": "false", "outcome": "churned"}, "churned", False),
        ({"label": "churned"}, "churned", True),
        ({"label": "churned", "outcome": "churned"}, "churned", True),
        ({"label": "confirmed", "outcome": "churned"}, "churned", True),
        ({"label": False, "outcome": "churned"}, "churned", False),
        ({"label": "accepted"}, "accepted", True),
        ({"label": "ignored"}, "ignored", True),
    ],
)
def test_a_label_says_yes_or_no_of_an_insight_or_of_an_outcome(
    properties: dict[str, Any], outcome: str | None, positive: bool
) -> None:
    assert verdict_of(**properties) == Label(None, outcome, positive)


@pytest.mark.parametrize(
    ("properties", "reason", "field"),
    [
        ({"insight_id": INSIGHT}, Reason.MISSING_FIELD, "label"),
        ({"label": None}, Reason.MISSING_FIELD, "label"),
        ({"label": 1}, Reason.WRONG_TYPE, "label"),
        ({"label": ["confirmed"]}, Reason.WRONG_TYPE, "label"),
        ({"label": ""}, Reason.INVALID_VALUE, "label"),
        ({"label": "False Positive"}, Reason.INVALID_VALUE, "label"),
        ({"label": "confrimed"}, Reason.INVALID_VALUE, "label"),
        ({"label": "acepted", "insight_id": INSIGHT}, Reason.INVALID_VALUE, "label"),
        ({"label": "bought", "outcome": "churned"}, Reason.INVALID_VALUE, "label"),
        ({"label": True, "outcome": 3}, Reason.WRONG_TYPE, "outcome"),
        ({"label": True, "outcome": "churn"}, Reason.INVALID_VALUE, "outcome"),
        ({"label": True, "outcome": ""}, Reason.INVALID_VALUE, "outcome"),
        ({"label": True, "insight_id": 7}, Reason.WRONG_TYPE, "insight_id"),
        ({"label": True, "insight_id": "7"}, Reason.INVALID_VALUE, "insight_id"),
        ({"label": True, "insight_id": f"{{{INSIGHT}}}"}, Reason.INVALID_VALUE, "insight_id"),
        ({"label": True, "weight": "2"}, Reason.WRONG_TYPE, "weight"),
        ({"label": True, "weight": True}, Reason.WRONG_TYPE, "weight"),
        ({"label": True, "weight": 0}, Reason.INVALID_VALUE, "weight"),
        ({"label": True, "weight": -1.0}, Reason.INVALID_VALUE, "weight"),
        ({"label": True, "weight": 10.5}, Reason.INVALID_VALUE, "weight"),
        ({"label": True, "author": ["ann"]}, Reason.WRONG_TYPE, "author"),
        ({"label": True, "author": "a" * 257}, Reason.TOO_LARGE, "author"),
        ({"label": True, "note": 7}, Reason.WRONG_TYPE, "note"),
        ({"label": True, "note": "n" * 1001}, Reason.TOO_LARGE, "note"),
    ],
)
def test_what_is_wrong_is_a_dead_letter_that_names_it(properties: dict[str, Any], reason: Reason, field: str) -> None:
    letter = read(properties)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.path) == (reason, f"$.properties.{field}")
    assert field in letter.message


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            {"label": "confrimed"},
            "label is 'confrimed'; there are: "
            "true, false, confirmed, false_positive, accepted, implemented, ignored, dismissed, churned, bought",
        ),
        ({"label": True, "outcome": "churn"}, "outcome is 'churn'; there are: churned, bought"),
    ],
)
def test_a_typing_error_is_answered_by_what_there_is(properties: dict[str, Any], message: str) -> None:
    letter = read(properties)
    assert isinstance(letter, DeadLetter)
    assert letter.message == message


@pytest.mark.parametrize("weight", [b"NaN", b"Infinity", b"1e999"])
def test_a_weight_that_is_no_number_is_no_json(weight: bytes) -> None:
    value = b'{"user_id":"u1","event_type":"$label","event_time":%d,"properties":{"label":true,"weight":%s}}'
    outcome = read_events([record(value % (START_MS, weight))], Validator(Events(types=("view",))), forwarded=False)
    assert [letter.reason for letter in outcome.dead_letters] == [Reason.MALFORMED_JSON]


def test_a_label_that_the_stream_brings_is_nobodys_verdict() -> None:
    assert verdict_of(tx_id="p-993", terminal_id="t-4", fraud=True) is None


def test_behaviour_may_have_properties_of_these_names() -> None:
    viewed = read({"label": 7, "insight_id": "x", "weight": -1}, event_type="view")
    assert isinstance(viewed, Event)
    assert viewed.verdict is None
