"""A user's risk level: which dimensions hold, since when, and the way back."""

from __future__ import annotations

from typing import Any

from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, START_MS, event, probe_pack
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.web.risk import risk_of

SHOP = load_pack("ecommerce")
ZONE = {"utc_offset_min": 0}


def risk_after(*contents: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The risk, and its dimensions by name."""
    runner = Runner(SHOP)
    runner.run(*contents)
    state = runner.state(contents[-1]["user_id"])
    assert state is not None
    risk = risk_of(compile_plan(SHOP, "user"), state)
    assert risk is not None
    return risk, {one["name"]: one for one in risk["dimensions"]}


def test_an_ordinary_user_is_standard_and_each_dimension_says_where_they_are() -> None:
    risk, dimensions = risk_after(event("u", START_MS + 14 * HOUR_MS, context=ZONE))
    assert risk["level"] == "standard"
    assert 0 < risk["score"] < 0.5
    assert list(dimensions) == ["impulsivity", "volatility", "fatigue", "nocturnal"]
    night = dimensions["nocturnal"]
    assert (night["value"], night["threshold"], night["holds"], night["since"]) == (14.0, 5.0, False, None)
    assert night["summary"] == "time of day: 14:00, at least 05:00"
    assert dimensions["impulsivity"]["summary"] == "put into the cart in a minute: 0, less than 8"
    assert dimensions["volatility"]["threshold"] == 150.0


def test_who_is_up_at_night_is_high_risk_for_a_week() -> None:
    night = event("u", START_MS + HOUR_MS, context=ZONE)
    risk, dimensions = risk_after(night, event("u", START_MS + 14 * HOUR_MS, context=ZONE))
    assert risk["level"] == "high_risk"
    assert dimensions["nocturnal"]["since"] == "2023-11-15T01:00:00.000Z"
    assert dimensions["nocturnal"]["summary"] == "time of day: 14:00, at least 05:00"
    risk, dimensions = risk_after(night, event("u", START_MS + 8 * DAY_MS + 14 * HOUR_MS, context=ZONE))
    assert (risk["level"], dimensions["nocturnal"]["holds"]) == ("standard", False)


def test_a_hurry_is_high_risk_by_its_pace() -> None:
    hurry = [event("u", START_MS + 12 * HOUR_MS + n * 1500, "cart", context=ZONE) for n in range(9)]
    risk, dimensions = risk_after(*hurry)
    assert risk["level"] == "high_risk"
    assert risk["score"] > 0.5
    found = dimensions["impulsivity"]
    assert (found["value"], found["threshold"], found["holds"]) == (1.5, 3.0, True)
    assert found["summary"] == "pause between actions: 1.5 seconds, less than 3 seconds"


def test_a_bot_is_high_risk_though_it_is_no_dimension() -> None:
    bot = [event("u", START_MS + 12 * HOUR_MS + n * 800 + n * n % 300, context=ZONE) for n in range(60)]
    risk, dimensions = risk_after(*bot)
    assert risk["level"] == "high_risk"
    assert [one["rule"] for one in risk["others"]] == ["bot_pace"]
    assert not dimensions["nocturnal"]["holds"]


def test_a_pack_without_such_rules_has_no_risk_level() -> None:
    runner = Runner(probe_pack())
    runner.run(event("u", START_MS))
    state = runner.state("u")
    assert state is not None
    assert risk_of(compile_plan(probe_pack(), "user"), state) is None
