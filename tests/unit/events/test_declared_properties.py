"""What declared features read must be readable: numbers, text and flags, or a dead letter with its place."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import event, probe_pack, record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.reasons import DeadLetterReason as Reason

FEATURES: tuple[dict[str, Any], ...] = (
    {"name": "paid", "kind": "sum", "property": "fee", "types": ["purchase"], "window": "1h"},
    {"name": "colors", "kind": "distinct", "property": "color", "window": "1h"},
    {"name": "gifts", "kind": "share", "types": ["cart"], "where": {"property": "gift", "value": True}, "window": "1h"},
)
PACK = probe_pack().model_copy(update={"features": tuple(map(DeclaredFeature.model_validate, FEATURES))})


def read(event_type: str, **properties: Any) -> Any:
    found = read_events([record(event(event_type=event_type, **properties))], Validator.of(PACK), forwarded=False)
    outcomes: list[Any] = [*found.events, *found.dead_letters]
    (only,) = outcomes
    return only


def test_what_is_declared_is_read_as_what_it_is() -> None:
    assert read("purchase", fee="12.50", color=7).properties == {"fee": 12.5, "color": "7"}
    assert read("cart", gift="yes", color="").properties == {"gift": True}


@pytest.mark.parametrize(
    ("event_type", "properties", "reason", "path"),
    [
        ("purchase", {"fee": "much"}, Reason.INVALID_VALUE, "$.properties.fee"),
        ("view", {"color": ["red"]}, Reason.WRONG_TYPE, "$.properties.color"),
        ("cart", {"gift": "maybe"}, Reason.WRONG_TYPE, "$.properties.gift"),
    ],
)
def test_what_can_not_be_read_is_a_dead_letter(
    event_type: str, properties: dict[str, Any], reason: Reason, path: str
) -> None:
    letter = read(event_type, **properties)
    assert (letter.reason, letter.path) == (reason, path)


def test_a_type_that_no_feature_is_about_may_have_anything() -> None:
    assert read("view", fee="much", gift="maybe").properties == {"fee": "much", "gift": "maybe"}
