"""Types that are told by properties, and event types with roles of their own."""

from __future__ import annotations

from typing import Any

import pytest

from support.folding import fold_all
from support.probe import event, record
from ubi_stream.errors import ConfigError
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.packs.schema import Pack
from ubi_stream.reasons import DeadLetterReason as Reason
from ubi_stream.state.distinct import count_distinct

CALLS = """
name = "calls"
version = 1
description = "Calls that are answered or not, and payments of two kinds"

[events]
types = ["call_answered", "call_rejected", "outgoing", "transaction", "contribution"]

[[events.derived]]
name = "outgoing"
of = "call"
where = { property = "callType", value = "out" }

[[events.derived]]
name = "call_answered"
of = "call"
where = [{ property = "callType", value = "in" }, { property = "seconds", op = ">", value = 0 }]

[[events.derived]]
name = "call_rejected"
of = "call"
where = [{ property = "callType", value = "in" }, { property = "spam", value = true }]

[events.roles]
amount = "amount"
amount_types = ["transaction", "contribution"]
category = "category"
item = "merchant"

[events.roles.by_type.contribution]
amount = "saved_amount"
category = "goal_type"

[[entities]]
name = "user"
features = ["events_1h", "session_items", "session_categories", "session_amount"]
"""
PACK = parse_pack(CALLS, where="calls")
PLAN = compile_plan(PACK, "user")


def read(event_type: str, pack: Pack = PACK, **properties: Any) -> Any:
    found = read_events([record(event(event_type=event_type, **properties))], Validator.of(pack), forwarded=False)
    outcomes: list[Any] = [*found.events, *found.dead_letters]
    (only,) = outcomes
    return only


@pytest.mark.parametrize(
    ("properties", "event_type"),
    [
        ({"callType": "out", "seconds": 12}, "outgoing"),
        ({"callType": "in", "seconds": "12.5"}, "call_answered"),
        ({"callType": "in", "seconds": 0, "spam": "yes"}, "call_rejected"),
    ],
)
def test_the_first_type_whose_conditions_all_hold_is_the_events(properties: dict[str, Any], event_type: str) -> None:
    assert read("call", **properties).event_type == event_type


def test_an_event_that_fits_none_keeps_its_type_which_the_pack_may_not_know() -> None:
    letter = read("call", callType="in", seconds=0)
    assert (letter.reason, letter.path) == (Reason.UNKNOWN_EVENT_TYPE, "$.event_type")
    assert read("outgoing").event_type == "outgoing"


def test_a_property_that_tells_the_type_must_be_readable() -> None:
    letter = read("call", callType="in", seconds="long")
    assert (letter.reason, letter.path) == (Reason.INVALID_VALUE, "$.properties.seconds")


def test_a_type_has_roles_of_its_own() -> None:
    state = fold_all(
        event(event_type="transaction", amount=20, category="food", merchant="m1"),
        event(event_type="contribution", saved_amount="5.5", goal_type="car", amount=9000, merchant="m2"),
        plan=PLAN,
    )
    session = state.session
    assert session.amount_micros == 25_500_000
    assert (count_distinct(session.items), count_distinct(session.categories)) == (2, 2)
    assert state.categories == {"food": 1, "car": 1}


def test_a_type_without_its_own_property_has_no_value_though_the_common_one_is_there() -> None:
    assert "amount" not in read("contribution", amount=9000).properties
    assert read("contribution", saved_amount="much").path == "$.properties.saved_amount"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "outgoing"', 'name = "outbound"', "derived names 'outbound', which is not among events.types"),
        ('of = "call"', 'of = "$label"', "is of '$label', which is a command"),
        ("by_type.contribution]", "by_type.saving]", "roles.by_type names 'saving'"),
        ('goal_type"', 'goal_type"\nlatency = "ms"', "by_type.contribution.latency is in place of roles.latency"),
    ],
)
def test_what_the_pack_does_not_have_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_pack(CALLS.replace(old, new, 1), where="calls")
    assert message in str(refused.value)
