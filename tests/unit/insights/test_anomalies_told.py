"""Which alerts are worth reading: rare among users, strong, and not harmless; and what is said of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from support.folding import Runner
from support.probe import DAY_MS, MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.insights.claims import holds
from ubi_stream.insights.model import Insight, InsightKind, Severity
from ubi_stream.models.common.quantile import OnlineQuantile

PACK = probe_pack(
    ("dormant_after_days = 0.25", "dormant_after_days = 20"),
    ("retention_days = 1\n", "retention_days = 60\n"),
    ('severity = "high"\nsummary = "It took', 'severity = "low"\nsummary = "It took'),
    ("alert_rate = 0.1\nwarm_up = 30", "alert_rate = 0.02\nwarm_up = 200"),
    (
        "low_one_in = 1\nmedium_one_in = 3\nhigh_one_in = 20\ncool_down_min = 20",
        "low_one_in = 200\nmedium_one_in = 1000\nhigh_one_in = 10000\ncool_down_min = 1440",
    ),
    ("trees = 5", "trees = 10"),
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.models.anomaly.stage.OnlineQuantile", functools.partial(OnlineQuantile, block=50))


def everyday(users: int = 60, days: int = 12) -> Iterator[dict[str, Any]]:
    """Visits of a few steps, waits of about 400 ms, some purchases of about 30."""
    draw = Random(7)
    for day in range(days):
        for user in range(users):
            at_ms = START_MS + day * DAY_MS + int(draw.gauss(12, 3) * 60) * MINUTE_MS
            for _ in range(draw.randint(2, 6)):
                at_ms += int(draw.lognormvariate(9.5, 0.6))
                yield event(f"u{user}", at_ms, "view", latency_ms=round(draw.lognormvariate(6, 0.3), 1))
            if draw.random() < 0.3:
                yield event(f"u{user}", at_ms + 9000, "purchase", price=round(draw.lognormvariate(3.4, 0.4), 2))


def delivered(*odd: dict[str, Any]) -> list[Insight]:
    """Anomalies of `u0` after twelve everyday days."""
    stream = sorted([*everyday(), *odd], key=lambda one: (one["event_time"], one["user_id"]))
    insights = Runner(PACK).run(*stream).insights
    return [i for i in insights if i.kind is InsightKind.ANOMALY and i.user_id == "u0" and i.at_ms >= LAST_MS]


LAST_MS = START_MS + 12 * DAY_MS
PURCHASE = [event("u0", LAST_MS + n * MINUTE_MS, "purchase", price=900.0 + 400 * n) for n in range(5)]


def test_money_far_beyond_the_own_usual_is_told_once() -> None:
    insights = delivered(*PURCHASE)
    assert 1 <= len(insights) <= 2  # once more if it turns out to be high
    (lead, *_) = insights[0].explanation.claims
    assert lead.feature in ("last_amount", "amount_z")
    assert lead.bound_is == "own_usual"
    assert insights[0].explanation.summary.startswith("Unusual for this user: ")


def test_what_is_compared_with_others_is_not_called_unusual_for_this_user() -> None:
    burst = [event("u0", LAST_MS + n * 2000, "view", latency_ms=400.0) for n in range(120)]
    insights = delivered(*burst)
    assert insights
    for insight in insights:
        about_own = insight.explanation.claims[0].bound_is == "own_usual"
        assert insight.explanation.summary.startswith("Unusual for this user") == about_own


def test_claims_are_true_and_in_a_direction_that_matters() -> None:
    for insight in delivered(*PURCHASE):
        assert insight.explanation.claims
        for claim in insight.explanation.claims:
            assert holds(claim)
            assert claim.op == ">"


@pytest.mark.parametrize(
    "odd",
    [
        [event("u0", LAST_MS + n * MINUTE_MS, "view", latency_ms=1.0) for n in range(8)],
        [event("u0", LAST_MS + 3 * 60 * MINUTE_MS, "cart", category="never seen")],
        [event("u0", LAST_MS + n, "view", latency_ms=400.0) for n in range(2)],
    ],
    ids=["faster pages", "a rare combination", "a double click"],
)
def test_what_is_rare_and_harmless_is_not_told(odd: list[dict[str, Any]]) -> None:
    assert delivered(*odd) == []


def test_everyday_life_is_hardly_ever_worth_a_look() -> None:
    insights = Runner(PACK).run(*sorted(everyday(80, 20), key=lambda one: one["event_time"])).insights
    loud = [i for i in insights if i.kind is InsightKind.ANOMALY and i.severity is not Severity.LOW]
    assert len(loud) <= 0.002 * 80 * 20


def test_confidence_is_how_rare_it_is_until_people_label() -> None:
    for insight in delivered(*PURCHASE):
        assert insight.confidence == pytest.approx(1 - 1 / insight.evidence["one_in"], abs=1e-3)
        assert insight.evidence["warm_up"]["of"] == 200
        assert insight.evidence["users_one_in"] >= 200


def test_what_a_rule_says_is_not_said_in_other_words() -> None:
    slow = [event("u0", LAST_MS + n * MINUTE_MS, "view", latency_ms=60_000.0) for n in range(8)]
    assert delivered(*slow)
    stream = sorted([*everyday(), *slow], key=lambda one: (one["event_time"], one["user_id"]))
    serious = PACK.model_copy(
        update={"rules": tuple(rule.model_copy(update={"severity": "high"}) for rule in PACK.rules)}
    )
    insights = [i for i in Runner(serious).run(*stream).insights if i.user_id == "u0" and i.at_ms >= LAST_MS]
    assert InsightKind.RISK in {i.kind for i in insights}
    assert InsightKind.ANOMALY not in {i.kind for i in insights}
