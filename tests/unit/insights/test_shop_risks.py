"""The shop's rules on people, bots and thieves as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.insights.claims import holds, titles_of, unclaimed_numbers
from ubi_stream.insights.model import Insight, InsightKind, Severity
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.models import ModelsSpec
from ubi_stream.packs.schema import Pack

NOON_MS = START_MS + 12 * HOUR_MS
ZONE = {"utc_offset_min": 0}
SHOP = load_pack("ecommerce")


def rules_alone(**events: str) -> Pack:
    """The shop's pack without models: its rules need none."""
    segments = tuple(segment.model_copy(update={"recommendations": ()}) for segment in SHOP.segments)
    changes = {"models": ModelsSpec(), "outcomes": (), "segments": segments}
    return SHOP.model_copy(update={**changes, "events": SHOP.events.model_copy(update=events)})


PACK = rules_alone()


def risks_of(contents: Iterable[dict[str, Any]], pack: Pack = PACK) -> list[Insight]:
    insights = Runner(pack).run(*sorted(contents, key=lambda content: content["event_time"])).insights
    found = [insight for insight in insights if insight.kind is InsightKind.RISK]
    for insight in found:
        explanation = insight.explanation
        assert all(map(holds, explanation.claims)), insight
        assert unclaimed_numbers(explanation.summary, explanation.claims, titles=titles_of(pack)) == [], explanation
        if insight.entity == "user":
            assert insight.confidence is not None
            assert 0.0 < insight.confidence < 1.0
    return found


def labels(contents: Iterable[dict[str, Any]], pack: Pack = PACK) -> list[str | None]:
    return [insight.label for insight in risks_of(contents, pack)]


def visit(
    pauses_s: Iterable[float], user: str = "u", start_ms: int = NOON_MS, types: str = "view", **fields: Any
) -> Iterator[dict[str, Any]]:
    """Events with these pauses between them; `types` is repeated."""
    at_ms, kinds = float(start_ms), types.split()
    for number, pause_s in enumerate((*pauses_s, 0.0)):
        yield event(user, round(at_ms), kinds[number % len(kinds)], **{"context": ZONE, **fields})
        at_ms += pause_s * 1000


def order_of(insight: Insight) -> int:
    """Which event of the stream brought it, from 1."""
    return insight.source.offset + 1


def test_a_page_a_second_is_a_bot_within_60_events_and_so_is_its_next_visit() -> None:
    rng = Random(1)
    pauses = [rng.uniform(0.5, 1.5) for _ in range(200)]
    found = risks_of([*visit(pauses), *visit(pauses, start_ms=NOON_MS + 4 * HOUR_MS)])
    first, second = found[-2:]  # a bot that is known is reported as nothing else
    assert (first.label, first.severity, second.label) == ("bot_pace", Severity.HIGH, "bot_pace")
    assert "40 events within a minute, where people do fewer than 40" in first.explanation.summary
    assert order_of(first) <= 60
    assert order_of(second) <= 201 + 60


def test_five_pages_a_second_are_a_bot_too() -> None:
    rng = Random(2)
    found = risks_of(visit([rng.expovariate(5) for _ in range(300)]))
    assert [(insight.label, order_of(insight) <= 60) for insight in found] == [("bot_pace", True)]


@pytest.mark.parametrize("pause_s", [2.0, 5.0, 20.0, 50.0])
def test_equal_pauses_are_a_bot_within_ten_minutes(pause_s: float) -> None:
    rng = Random(3)
    found = risks_of(visit([pause_s * rng.uniform(0.97, 1.03) for _ in range(200)]))
    (bot,) = [insight for insight in found if insight.label == "bot_regular"]
    assert bot.at_ms - NOON_MS <= 10 * MINUTE_MS
    assert "again and again" in bot.explanation.summary
    assert [insight.label for insight in found if insight.at_ms > bot.at_ms] == []  # it explains its visit


def test_times_cut_to_seconds_do_not_make_pauses_equal() -> None:
    rng = Random(4)
    assert "bot_regular" not in labels(visit([float(rng.choice((2, 2, 2, 3))) for _ in range(100)]))


def test_a_hurry_is_found_within_15_events() -> None:
    rng = Random(5)
    found = risks_of(visit([rng.uniform(0.8, 2.9) for _ in range(14)], types="view cart"))
    assert [(insight.label, insight.severity) for insight in found] == [("impulsivity", Severity.HIGH)]
    assert "people pause for more than 3 seconds" in found[0].explanation.summary


def test_carts_by_the_dozen_are_a_hurry_at_any_pace() -> None:
    (burst,) = risks_of(visit([7.0] * 8, types="cart"))
    assert (burst.label, order_of(burst)) == ("impulsivity", 8)
    assert "8 times something was put into the cart within a minute" in burst.explanation.summary


def think(rng: Random, mean_s: float) -> float:
    return rng.expovariate(1 / mean_s)


def doubled(rng: Random, mean_s: float) -> float:
    """Every other click is a double one."""
    return rng.uniform(0.05, 0.4) if rng.random() < 0.5 else think(rng, mean_s)


def pages(rng: Random, mean_s: float) -> float:
    """Four events of five come with a page."""
    return rng.uniform(0.0, 0.3) if rng.random() < 0.8 else think(rng, mean_s)


@pytest.mark.parametrize("pause", [think, doubled, pages])
def test_ordinary_people_are_no_bots_and_in_no_hurry(pause: Any) -> None:
    rng = Random(6)
    people = [
        visit([pause(rng, rng.uniform(8, 20)) for _ in range(rng.randint(3, 40))], user=f"u{n}", types="view search")
        for n in range(300)
    ]
    found = labels(content for one in people for content in one)
    assert [label for label in found if label != "fatigue"] == []


def test_a_long_visit_is_reported_once_it_is_long() -> None:
    (tired,) = risks_of(visit([70.0] * 30 + [61.0] * 10, types="view search", session_id="s"))[:1]
    assert tired.label in ("fatigue", "bot_regular")
    rng = Random(7)
    (tired,) = risks_of(visit([rng.uniform(20, 160) for _ in range(40)]))
    assert tired.label == "fatigue"
    assert 30 * MINUTE_MS < tired.at_ms - NOON_MS <= 33 * MINUTE_MS


def test_the_night_is_reported_at_its_first_event_and_once() -> None:
    night = [event("u", START_MS + 2 * HOUR_MS + n * MINUTE_MS, context=ZONE) for n in range(3)]
    (found,) = risks_of(night)
    assert (found.label, order_of(found)) == ("night_watch", 1)
    assert found.explanation.summary == "Active at night: at 02:00 on the user's clock, between 00:00 and 05:00"
    next_night = [event("u", content["event_time"] + DAY_MS - HOUR_MS, context=ZONE) for content in night]
    others = sorted([*by_day(300, 1), *night, *next_night], key=lambda one: one["event_time"])
    assert len(risks_of(others)) == 2


def test_there_is_no_night_where_nobody_knows_the_zone_and_the_packs_is_named() -> None:
    at_ms = START_MS + 2 * HOUR_MS
    assert risks_of([event("u", at_ms)]) == []
    (found,) = risks_of([event("u", at_ms)], rules_alone(default_timezone="Europe/Berlin"))
    assert "at 03:00 by the time of Europe/Berlin" in found.explanation.summary


def test_jumping_amounts_are_found_by_the_fifth_purchase_in_the_currency_of_the_events() -> None:
    amounts = (20, 600, 30, 500, 25)
    buys = [
        event("u", NOON_MS + n * HOUR_MS, "purchase", price=price, currency="EUR", context=ZONE)
        for n, price in enumerate(amounts)
    ]
    (found,) = risks_of(buys)
    assert found.label == "spending_volatility"
    assert found.explanation.summary.endswith("differ by 271 EUR, more than 150 EUR")
    assert (
        "150 CHF"
        in risks_of(
            [{**buy, "properties": {"price": buy["properties"]["price"]}} for buy in buys], rules_alone(currency="CHF")
        )[0].explanation.summary
    )


def test_a_spike_of_a_customer_of_long_standing_is_found_though_it_hardly_moves_the_spread() -> None:
    usual = [event("u", NOON_MS + n * DAY_MS, "purchase", price=20.0 + n % 4, context=ZONE) for n in range(15)]
    spike = event("u", NOON_MS + 15 * DAY_MS, "purchase", price=430.0, currency="EUR", context=ZONE)
    (found,) = risks_of([*usual, spike])
    assert found.label == "spending_volatility"
    assert found.explanation.summary.startswith("Spending jumps: a purchase of 430 EUR, ")


def known_customer(days: int = 8) -> list[dict[str, Any]]:
    return [
        event(
            "u",
            START_MS + day * DAY_MS + 18 * HOUR_MS + n * 97_000 + day * 1_001 * n,
            kind,
            price=20.0 + day % 3,
            category="shoes",
            context=ZONE,
        )
        for day in range(days)
        for n, kind in enumerate(("view", "cart", "purchase"))
    ]


def test_a_takeover_is_found_by_its_third_event() -> None:
    thief_ms = START_MS + 8 * DAY_MS + 8 * HOUR_MS
    steal = [
        event("u", thief_ms + n * 20_000, kind, price=230.0, category="phones", context=ZONE)
        for n, kind in enumerate(("view", "cart", "purchase"))
    ]
    (found,) = risks_of([*known_customer(), *steal])
    assert (found.label, found.severity, order_of(found) - 24) == ("takeover", Severity.HIGH, 2)
    assert found.evidence["recommendations"][0]["action"] == "confirm_the_order"


@pytest.mark.parametrize("change", [{"hour": 18}, {"category": "shoes"}, {"price": 40.0}])
def test_what_is_new_in_two_ways_alone_is_no_takeover(change: dict[str, Any]) -> None:
    fields = {"hour": 8, "category": "phones", "price": 230.0, **change}
    at_ms = START_MS + 8 * DAY_MS + fields.pop("hour") * HOUR_MS
    assert "takeover" not in labels([*known_customer(), event("u", at_ms, "purchase", context=ZONE, **fields)])


def by_day(users: int, days: int) -> list[dict[str, Any]]:
    """So many who come at noon on each day."""
    return [event(f"d{n}", NOON_MS + day * DAY_MS + n, context=ZONE) for day in range(days) for n in range(users)]


def test_what_is_usual_for_the_user_is_low_and_says_so() -> None:
    nights = [event("u", START_MS + day * DAY_MS + HOUR_MS, context=ZONE) for day in range(9)]
    found = risks_of(sorted([*by_day(800, 9), *nights], key=lambda one: one["event_time"]))
    assert len(found) == 4  # four nights, and then once a week
    assert "usually so for this user, on 3 days of the last month" in found[3].explanation.summary
    assert found[3].severity is Severity.LOW


def nights_of(owls: int) -> list[Insight]:
    """What is reported of so many of 6,000 users who come at night; the others are known by day."""
    at_noon = [event(f"u{n}", NOON_MS + n, context=ZONE) for n in range(6000 - owls)]
    at_night = [event(f"o{n}", NOON_MS + 13 * HOUR_MS + n, context=ZONE) for n in range(owls)]
    return risks_of([*at_noon, *at_night])


def test_a_night_that_is_rare_here_is_high_and_one_of_many_is_context() -> None:
    rare, common = nights_of(3), nights_of(400)
    assert [one.severity for one in rare] == [Severity.HIGH] * 3
    assert {one.severity for one in common} == {Severity.HIGH}
    assert len(common) < 40  # until it is known to be common


def test_a_night_of_who_never_was_up_is_reported_though_others_are() -> None:
    owls = [event(f"o{n}{day}", START_MS + day * DAY_MS + n, context=ZONE) for day in range(8) for n in range(8)]
    first = event("d0", START_MS + 8 * DAY_MS + 2 * HOUR_MS, context=ZONE)
    *_, found = risks_of(sorted([*by_day(400, 8), *owls, first], key=lambda one: one["event_time"]))
    assert (found.user_id, found.severity) == ("d0", Severity.LOW)
    assert found.explanation.summary.endswith("never before for this user, in 8 days with events")


def test_a_long_visit_is_low_where_many_stay_as_long_and_high_far_beyond() -> None:
    rng = Random(6)

    def minutes(user: str, count: int) -> list[dict[str, Any]]:
        """A visit of about so many minutes, with two events a minute."""
        at = [round(60_000 * (n / 2 + rng.uniform(0.0, 0.4))) for n in range(2 * count)]
        return [event(user, NOON_MS + ms, context=ZONE) for ms in at]

    crowd = [event(f"u{n}", NOON_MS + n, context=ZONE) for n in range(1000)]
    usual = [one for n in range(30) for one in minutes(f"s{n}", 33)]
    found = [one for one in risks_of([*crowd, *usual, *minutes("t", 90)]) if one.label == "fatigue"]
    assert {one.severity for one in found if one.user_id != "t"} == {Severity.LOW}
    low, high = [one for one in found if one.user_id == "t"]
    assert (low.severity, high.severity) == (Severity.LOW, Severity.HIGH)
    assert "; so do " in low.explanation.summary
    assert "; so do " not in high.explanation.summary
    assert high.at_ms - NOON_MS < 61 * MINUTE_MS
