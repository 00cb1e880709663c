"""What is told of all entities of a partition: waves of alerts, and drifts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.folding import Runner
from support.probe import START_MS, event, probe_pack
from ubi_stream.insights.claims import holds, unclaimed_numbers
from ubi_stream.insights.model import Insight, InsightKind, Severity
from ubi_stream.packs.schema import Pack

USERS = 60
MINUTE_MS = 60_000


def pack(alert_rate: float = 0.01) -> Pack:
    return probe_pack(
        ("window = 20", "window = 250"),
        ("alert_rate = 0.1", f"alert_rate = {alert_rate}"),
        ("warm_up = 30", "warm_up = 300"),
        ("retention_days = 1", "retention_days = 3"),
        (
            "[models.change]",
            "[models.anomaly.population]\nmin_entities = 15\nwindow_min = 30\n\n"
            "[models.drift]\nblock = 100\nwarm_up_h = 2\nmin_blocks = 10\n\n[models.change]",
        ),
    )


def stream(n: int, start: int = 0, **odd: Any) -> list[dict[str, Any]]:
    """Ten events a minute, of shoppers with a steady pace and wait; `odd` replaces what their events say."""
    draw = random.Random(7 + start)
    made = []
    for number in range(start, start + n):
        fields: dict[str, Any] = {
            "event_type": draw.choices(["view", "cart", "purchase"], [8, 2, 1])[0],
            "latency_ms": round(draw.lognormvariate(5.0, 0.3), 1),
            "category": f"c{draw.randrange(5)}",
        }
        if fields["event_type"] == "purchase":
            fields["price"] = round(draw.lognormvariate(3.0, 0.3), 2)
        fields = {name: value for name, value in (fields | odd).items() if value is not None}
        made.append(event(f"u{draw.randrange(USERS)}", START_MS + number * 6_000, event_id=f"e{number}", **fields))
    return made


def delivered(runner: Runner, events: list[dict[str, Any]], batch: int = 200) -> list[Insight]:
    return [insight for i in range(0, len(events), batch) for insight in runner.run(*events[i : i + batch]).insights]


def of_all(insights: list[Insight], kind: InsightKind) -> list[Insight]:
    return [insight for insight in insights if insight.kind is kind and insight.entity == "population"]


def test_a_wave_is_one_insight_and_another_when_it_is_over() -> None:
    runner = Runner(pack())
    calm = delivered(runner, stream(3_000))
    assert of_all(calm, InsightKind.ANOMALY) == []
    storm = delivered(runner, stream(150, 3_000, latency_ms=40_000.0))
    (wave,) = of_all(storm, InsightKind.ANOMALY)
    assert (wave.label, wave.user_id, wave.severity) == ("population", "user", Severity.HIGH)
    assert wave.evidence["entities"] >= 15
    assert wave.evidence["factor"] >= 5
    assert "usual wait leads in" in wave.explanation.summary
    assert wave.explanation.contributions[0].feature == "rolling_latency_ms"
    single = [i for i in storm if i.kind is InsightKind.ANOMALY and i.entity == "user"]
    assert len({insight.user_id for insight in single}) <= wave.evidence["entities"], "then they are held back"
    ends = of_all(delivered(runner, stream(3_000, 3_150)), InsightKind.ANOMALY)
    assert [end.label for end in ends][:1] == ["population_over"]
    assert ends[0].evidence["held_back"] > 0
    assert ends[0].evidence["since_ms"] == wave.evidence["since_ms"]


def test_a_property_that_goes_missing_is_told_as_broken_tracking() -> None:
    runner = Runner(pack())
    assert of_all(delivered(runner, stream(3_000)), InsightKind.DRIFT) == []
    drifts = of_all(delivered(runner, stream(1_500, 3_000, category=None)), InsightKind.DRIFT)
    (drift,) = drifts
    assert drift.label == "tracking_broke"
    assert drift.severity is Severity.HIGH
    assert drift.explanation.summary.startswith("Tracking seems to be broken: category is missing from")
    (part,) = drift.explanation.contributions
    assert part.feature == "category"
    assert part.value == pytest.approx(1.0, abs=0.05)
    assert drift.at_ms <= START_MS + 4_000 * 6_000, "within ten blocks"


def rule_pack() -> Pack:
    together = (
        "Slow for everybody: {count} of {of} users waited more than {bound}, usually {usual}; half of them {median}"
    )
    return probe_pack(
        ("retention_days = 1", "retention_days = 3"),
        ('summary = "It took', f'together = "{together} or longer"\nsummary = "It took'),
    )


def test_a_rule_that_many_meet_at_once_is_one_insight_and_theirs_are_held_back_until_it_is_over() -> None:
    runner = Runner(rule_pack())
    calm = delivered(runner, few(300, 0))
    assert of_all(calm, InsightKind.RISK) == []
    slow = delivered(runner, few(60, 300, latency_ms=7_140.0))
    (wave,) = of_all(slow, InsightKind.RISK)
    assert (wave.label, wave.user_id, wave.severity) == ("slow", "user", Severity.HIGH)
    assert wave.explanation.summary.startswith("Slow for everybody: 2 of 2 users waited more than 2 seconds, usually ")
    assert "half of them 7.14 seconds or longer; since " in wave.explanation.summary
    assert unclaimed_numbers(wave.explanation.summary, wave.explanation.claims) == []
    assert all(holds(claim) for claim in wave.explanation.claims)
    alone = [i for i in slow if i.kind is InsightKind.RISK and i.entity == "user"]
    assert len(alone) == wave.evidence["met"] - 1, "then they are held back"
    after = delivered(runner, few(60, 360))
    (over,) = of_all(after, InsightKind.RISK)
    assert (over.label, over.severity) == ("slow_over", Severity.INFO)
    assert over.evidence["met"] == 60
    assert over.evidence["held_back"] == 59
    assert unclaimed_numbers(over.explanation.summary, over.explanation.claims) == []
    assert [i for i in after if i.kind is InsightKind.RISK and i.entity == "user"] == []


def test_partitions_that_see_the_same_incident_give_it_one_id() -> None:
    runners = [Runner(rule_pack()) for _ in range(2)]
    waves = []
    for partition, runner in enumerate(runners):
        events = few(300, 0, name=f"p{partition}") + few(20, 300, latency_ms=9_000.0, name=f"p{partition}")
        waves += of_all(delivered(runner, events), InsightKind.RISK)
    first, second = waves
    assert first.id == second.id


def few(n: int, start: int, name: str = "u", latency_ms: float = 400.0) -> list[dict[str, Any]]:
    """Half-minute steps of users who come once."""
    at = START_MS + 60_000
    return [
        event(f"{name}{i}", at + i * 30_000, event_id=f"{name}{i}", event_type="cart", latency_ms=latency_ms)
        for i in range(start, start + n)
    ]


@pytest.mark.parametrize("batch", [1, 37])
def test_where_the_stream_is_cut_changes_none_of_it(batch: int) -> None:
    events = stream(3_200) + stream(100, 3_200, latency_ms=40_000.0) + stream(500, 3_300, category=None)
    whole = delivered(Runner(pack()), events, batch=len(events))
    assert {i.kind for i in whole if i.entity == "population"} >= {InsightKind.ANOMALY, InsightKind.DRIFT}
    assert delivered(Runner(pack()), events, batch) == whole
