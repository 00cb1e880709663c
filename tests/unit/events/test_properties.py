"""Properties with a role or limits, and the user's clock: read, or refused with their place; never ignored."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import START_MS, event, record
from ubi_stream.errors import ConfigError
from ubi_stream.events.model import DeadLetter, Event
from ubi_stream.events.numbers import MAX_AMOUNT
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.roles import Roles
from ubi_stream.packs.schema import Events, PropertyLimit
from ubi_stream.reasons import DeadLetterReason as Reason

ROLES = Roles(
    amount="price", amount_types=("purchase",), latency="latency_ms", category="shelf", item="sku", reference="tx"
)
EVENTS = Events(types=("view", "purchase"), roles=ROLES)


def outcome(content: dict[str, Any], events: Events = EVENTS) -> Event | DeadLetter:
    found = read_events([record(content, timestamp_ms=START_MS)], Validator(events, ("shop",)), forwarded=False)
    outcomes: list[Event | DeadLetter] = [*found.events, *found.dead_letters]
    (only,) = outcomes
    return only


def properties(**written: Any) -> dict[str, Any]:
    found = outcome(event(event_type="purchase", **written))
    assert isinstance(found, Event), found
    return found.properties


def refused(content: dict[str, Any], events: Events = EVENTS) -> tuple[Reason, str]:
    found = outcome(content, events)
    assert isinstance(found, DeadLetter), found
    return found.reason, found.path


@pytest.mark.parametrize(
    ("written", "means"),
    [(12, 12.0), ("12.50", 12.5), (" -3 ", -3.0), ("1e3", 1000.0), (-90, -90.0), (MAX_AMOUNT, MAX_AMOUNT)],
)
def test_money_is_a_number_or_its_plainest_text(written: object, means: float) -> None:
    assert properties(price=written)["price"] == means


@pytest.mark.parametrize(
    "written",
    ["19,90", "$12.00", "1,234.50", "free", "1_000", "nan", "inf", "\u0661\u0662", 10**400, MAX_AMOUNT * 1.01],
)
def test_other_money_is_refused(written: object) -> None:
    assert refused(event(event_type="purchase", price=written)) == (Reason.INVALID_VALUE, "$.properties.price")


@pytest.mark.parametrize("written", [True, [1], {"unreadable": "19,90"}])
def test_what_is_no_number_is_of_a_wrong_type(written: object) -> None:
    assert refused(event(event_type="purchase", price=written)) == (Reason.WRONG_TYPE, "$.properties.price")
    assert refused(event(latency_ms=written)) == (Reason.WRONG_TYPE, "$.properties.latency_ms")


@pytest.mark.parametrize("written", [None, ""])
def test_nothing_is_no_mistake(written: object) -> None:
    assert properties(price=written, latency_ms=written, tx=written, shop=written).keys().isdisjoint({"tx", "shop"})


def test_only_types_whose_money_is_looked_at_need_a_price() -> None:
    assert isinstance(outcome(event(price="free")), Event)
    roles = ROLES.model_copy(update={"intent_types": ("view",)})
    assert refused(event(price="free"), Events(types=EVENTS.types, roles=roles)) == (
        Reason.INVALID_VALUE,
        "$.properties.price",
    )


def test_names_of_things_are_text() -> None:
    read = properties(shelf=7, sku=8.0, tx=17, shop=5)
    assert (read["shelf"], read["sku"], read["tx"], read["shop"]) == ("7", "8", "17", "5")
    for name in ("shelf", "sku", "tx", "shop"):
        assert refused(event() | {"properties": {name: ["a"]}}) == (Reason.WRONG_TYPE, f"$.properties.{name}")


LIMITED = Events(
    types=("view", "purchase"),
    limits={
        "price": PropertyLimit(min=0, types=("view",)),
        "stars": PropertyLimit(min=1, max=5),
        "sku": PropertyLimit(required=True, types=("purchase",)),
    },
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (event(price=-1), (Reason.INVALID_VALUE, "$.properties.price")),
        (event(price="-0.01"), (Reason.INVALID_VALUE, "$.properties.price")),
        (event(stars=6), (Reason.INVALID_VALUE, "$.properties.stars")),
        (event(stars="many"), (Reason.INVALID_VALUE, "$.properties.stars")),
        (event(stars=False), (Reason.WRONG_TYPE, "$.properties.stars")),
        (event(event_type="purchase"), (Reason.MISSING_FIELD, "$.properties.sku")),
        (event(event_type="purchase", sku=""), (Reason.MISSING_FIELD, "$.properties.sku")),
    ],
)
def test_what_breaks_a_limit_is_refused(content: dict[str, Any], expected: tuple[Reason, str]) -> None:
    assert refused(content, LIMITED) == expected


@pytest.mark.parametrize(
    "content",
    [event(), event(price=0), event(stars=1), event(stars=5), event(event_type="purchase", sku="a", price=-90)],
)
def test_what_keeps_to_the_limits_passes(content: dict[str, Any]) -> None:
    assert isinstance(outcome(content, LIMITED), Event)


@pytest.mark.parametrize("wrong", [{}, {"min": 2, "max": 1}])
def test_a_limit_that_limits_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"limits nothing|more than max"):
        PropertyLimit(**wrong)


def test_a_limit_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"limits\.price\.types names 'vew'"):
        Events(types=("view",), limits={"price": PropertyLimit(min=0, types=("vew",))})


def test_in_the_shop_prices_are_not_negative_but_refunds_are() -> None:
    events = load_pack("ecommerce").events
    assert refused(event(price=-1), events) == (Reason.INVALID_VALUE, "$.properties.price")
    assert isinstance(outcome(event(event_type="purchase", price=-90), events), Event)


@pytest.mark.parametrize(
    ("context", "means"),
    [
        ({"utc_offset_min": 120}, {"utc_offset_min": 120}),
        ({"utc_offset_min": "120"}, {"utc_offset_min": 120}),
        ({"utc_offset_min": -330.0}, {"utc_offset_min": -330}),
        ({"utc_offset_min": "", "timezone": " "}, {"utc_offset_min": None, "timezone": None}),
        ({"timezone": "europe/berlin"}, {"timezone": "Europe/Berlin"}),
        ({"other": [1]}, {"other": [1]}),
    ],
)
def test_the_clock_of_a_user_is_read(context: dict[str, Any], means: dict[str, Any]) -> None:
    found = outcome(event() | {"context": context})
    assert isinstance(found, Event)
    assert found.context == means


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("utc_offset_min", "two hours"),
        ("utc_offset_min", 1440),
        ("utc_offset_min", 90.5),
        ("utc_offset_min", True),
        ("timezone", "CEST"),
        ("timezone", "Not/AZone"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "America"),
        ("timezone", 7),
    ],
)
def test_an_unknown_clock_is_not_taken_for_utc(name: str, written: object) -> None:
    assert refused(event() | {"context": {name: written}})[1] == f"$.context.{name}"


def test_a_pack_of_further_words_for_nobody() -> None:
    events = load_pack("ecommerce", nobody=["Gast"]).events
    assert refused(event("gast"), events) == (Reason.MISSING_FIELD, "$.user_id")
    assert refused(event("undefined"), events) == (Reason.MISSING_FIELD, "$.user_id")
    with pytest.raises(ConfigError):
        load_pack("nothing", nobody=["Gast"])
