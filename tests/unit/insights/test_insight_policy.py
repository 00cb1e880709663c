"""What is told: each kind with what it rests on, once, and not before its model knows anything."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from support.folding import Runner
from support.probe import MINUTE_MS, START_MS, event, probe_pack, record
from support.streams import Stream
from ubi_stream.effects import Effects
from ubi_stream.insights.model import Insight, InsightKind, Severity
from ubi_stream.models.common.quantile import OnlineQuantile


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + round(minutes * MINUTE_MS), **fields)


def of_kind(effects: Effects, kind: InsightKind) -> list[Insight]:
    return [insight for insight in effects.insights if insight.kind is kind]


@pytest.fixture
def by_kind(monkeypatch: pytest.MonkeyPatch) -> dict[InsightKind, list[Insight]]:
    """Insights of a lively stream."""
    monkeypatch.setattr("ubi_stream.models.anomaly.stage.OnlineQuantile", functools.partial(OnlineQuantile, block=20))
    found: dict[InsightKind, list[Insight]] = defaultdict(list)
    for seed in range(8):
        runner = Runner()
        stream = Stream(seed).contents(250)
        records = [record(value, n, key=key, timestamp_ms=ms) for n, (key, value, ms) in enumerate(stream)]
        for insight in runner.run_records(records).insights:
            found[insight.kind].append(insight)
    return found


TOLD = {
    InsightKind.SEGMENT,
    InsightKind.ANOMALY,
    InsightKind.RISK,
    InsightKind.RECOMMENDATION,
    InsightKind.PREDICTION,
    InsightKind.MODEL,
    InsightKind.LABEL,
}
"""What the probe's pack asks for."""


def test_every_kind_is_told_with_a_sentence_and_what_it_rests_on(by_kind: dict[InsightKind, list[Insight]]) -> None:
    assert set(by_kind) == TOLD
    for kind, insights in by_kind.items():
        for insight in insights:
            explanation = insight.explanation
            assert explanation.summary
            assert "nan" not in explanation.summary.lower()
            assert "{" not in explanation.summary
            assert insight.label
            assert UUID(insight.id).version == 5
            assert insight.score is None or 0 <= insight.score <= 1
            assert insight.confidence is None or 0 < insight.confidence < 1
            if kind in (InsightKind.ANOMALY, InsightKind.RISK):
                assert explanation.contributions
            assert len(explanation.contributions) <= 5
    rests_on_event = [i for i in by_kind[InsightKind.SEGMENT] if i.label != "dormant"]
    assert rests_on_event
    assert all(i.explanation.contributions and i.explanation.claims for i in rests_on_event)


def test_an_anomalys_contributions_are_signed_and_strongest_first(by_kind: dict[InsightKind, list[Insight]]) -> None:
    for insight in by_kind[InsightKind.ANOMALY]:
        parts = [abs(part.contribution) for part in insight.explanation.contributions]
        assert parts == sorted(parts, reverse=True)
        assert parts[0] > 0
        assert insight.score is not None
        assert insight.score > insight.evidence["threshold"]
        assert insight.severity in (Severity.LOW, Severity.MEDIUM, Severity.HIGH)
        assert insight.explanation.claims


def test_ids_are_the_same_for_the_same_events_and_no_two_insights_share_one() -> None:
    first, second = Runner(), Runner(number=0)
    events = [at(n, latency_ms=3000 if n % 5 == 0 else 10) for n in range(40)]
    delivered = first.run(*events).insights
    again = [insight for content in events for insight in second.run(content).insights]
    assert [insight.id for insight in again] == [insight.id for insight in delivered]
    assert len({insight.id for insight in delivered}) == len(delivered)


def test_nothing_is_scored_while_models_warm_up() -> None:
    effects = Runner().run(*(at(n / 2, latency_ms=10) for n in range(15)))
    assert of_kind(effects, InsightKind.ANOMALY) == []
    for insight in of_kind(effects, InsightKind.SEGMENT):
        assert insight.evidence["outcomes"]["buys_in_visit"] == {
            "probability": None,
            "reason": "warming_up",
            "n_seen": 0,
            "warm_up": True,
        }


def test_a_pack_without_models_tells_segments_and_risks_only() -> None:
    pack = probe_pack()
    quiet = pack.model_copy(
        update={"models": pack.models.model_copy(update={"anomaly": None, "change": None}), "outcomes": ()}
    )
    kinds = {i.kind for i in Runner(quiet).run(*(at(n, latency_ms=5000) for n in range(60))).insights}
    assert kinds == {InsightKind.SEGMENT, InsightKind.RISK}


class TestRisks:
    def test_a_risk_is_told_when_all_conditions_hold(self) -> None:
        runner = Runner()
        assert of_kind(runner.run(at(0, latency_ms=2000)), InsightKind.RISK) == []
        (risk,) = of_kind(runner.run(at(1, latency_ms=2001)), InsightKind.RISK)
        assert (risk.label, risk.severity) == ("slow", Severity.HIGH)
        assert risk.explanation.summary == "It took 2001 ms"
        assert risk.evidence["conditions"] == ["last_latency_ms > 2000"]
        (part,) = risk.explanation.contributions
        assert (part.feature, part.value, part.usual) == ("last_latency_ms", 2001.0, 2000.0)

    def test_it_is_not_told_again_for_the_cool_down_and_then_it_is(self) -> None:
        #   0 told        29.9 quiet   30 told again
        runner = Runner()
        delivered = [bool(of_kind(runner.run(at(m, latency_ms=9000)), InsightKind.RISK)) for m in (0, 15, 29.9, 30)]
        assert delivered == [True, False, False, True]

    def test_each_user_has_a_cool_down_of_their_own(self) -> None:
        effects = Runner().run(at(0, "a", latency_ms=9000), at(1, "b", latency_ms=9000))
        assert [risk.user_id for risk in of_kind(effects, InsightKind.RISK)] == ["a", "b"]

    def test_without_a_cool_down_it_is_told_each_time(self) -> None:
        effects = Runner().run(*(at(n / 2) for n in range(11)))
        assert [risk.explanation.summary for risk in of_kind(effects, InsightKind.RISK)] == [
            "8 steps",
            "9 steps",
            "10 steps",
            "11 steps",
        ]

    def test_a_missing_feature_meets_no_condition(self) -> None:
        pack = probe_pack(
            (
                'feature = "last_latency_ms", op = ">", value = 2000',
                'feature = "last_latency_ms", op = "<", value = 1e9',
            )
        )
        assert of_kind(Runner(pack).run(at(0)), InsightKind.RISK) == []

    @pytest.mark.parametrize(
        ("op", "value", "delivered"),
        [
            (">=", 7, True),
            (">", 7, False),
            ("<=", 7, True),
            ("<", 7, False),
            ("==", 7, True),
            ("!=", 7, False),
            ("!=", 8, True),
        ],
    )
    def test_operators(self, op: str, value: float, delivered: bool) -> None:
        pack = probe_pack(('op = ">", value = 2000', f'op = "{op}", value = {value}'))
        assert bool(of_kind(Runner(pack).run(at(0, latency_ms=7)), InsightKind.RISK)) is delivered


class TestRecommendationsAsInsights:
    def test_one_comes_with_a_new_segment_once_a_day(self) -> None:
        runner = Runner()
        runner.run(at(0))
        (advice,) = of_kind(runner.run(at(1, event_type="purchase", price=30)), InsightKind.RECOMMENDATION)
        assert (advice.label, advice.score, advice.severity) == ("thank", 0.7, Severity.MEDIUM)
        assert "because the user is now buyer" in advice.explanation.summary
        runner.run(at(25 * 60 - 60), at(25 * 60 - 50), at(25 * 60 - 40))
        later = runner.run(at(25 * 60, event_type="purchase", price=30))
        assert len(of_kind(later, InsightKind.RECOMMENDATION)) == 1
