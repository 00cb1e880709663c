"""What is told of all entities of a partition: waves of alerts, and drifts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.folding import Runner
from support.probe import START_MS, event, probe_pack
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


def told(runner: Runner, events: list[dict[str, Any]], batch: int = 200) -> list[Insight]:
    return [insight for i in range(0, len(events), batch) for insight in runner.run(*events[i : i + batch]).insights]


def of_all(insights: list[Insight], kind: InsightKind) -> list[Insight]:
    return [insight for insight in insights if insight.kind is kind and insight.entity == "population"]


def test_a_wave_is_one_insight_and_another_when_it_is_over() -> None:
    runner = Runner(pack())
    calm = told(runner, stream(3_000))
    assert of_all(calm, InsightKind.ANOMALY) == []
    storm = told(runner, stream(150, 3_000, latency_ms=40_000.0))
    (wave,) = of_all(storm, InsightKind.ANOMALY)
    assert (wave.label, wave.user_id, wave.severity) == ("population", "user/0", Severity.HIGH)
    assert wave.evidence["entities"] >= 15
    assert wave.evidence["factor"] >= 5
    assert "usual wait leads in" in wave.explanation.summary
    assert wave.explanation.contributions[0].feature == "rolling_latency_ms"
    single = [i for i in storm if i.kind is InsightKind.ANOMALY and i.entity == "user"]
    assert len({insight.user_id for insight in single}) <= wave.evidence["entities"], "then they are held back"
    ends = of_all(told(runner, stream(3_000, 3_150)), InsightKind.ANOMALY)
    assert [end.label for end in ends][:1] == ["population_over"]
    assert ends[0].evidence["held_back"] > 0
    assert ends[0].evidence["since_ms"] == wave.evidence["since_ms"]


def test_a_property_that_goes_missing_is_told_as_broken_tracking() -> None:
    runner = Runner(pack())
    assert of_all(told(runner, stream(3_000)), InsightKind.DRIFT) == []
    drifts = of_all(told(runner, stream(1_500, 3_000, category=None)), InsightKind.DRIFT)
    (drift,) = drifts
    assert drift.label == "tracking_broke"
    assert drift.severity is Severity.HIGH
    assert drift.explanation.summary.startswith("Tracking seems to be broken: category is missing from")
    (part,) = drift.explanation.contributions
    assert part.feature == "category"
    assert part.value == pytest.approx(1.0, abs=0.05)
    assert drift.at_ms <= START_MS + 4_000 * 6_000, "within ten blocks"


@pytest.mark.parametrize("batch", [1, 37])
def test_where_the_stream_is_cut_changes_none_of_it(batch: int) -> None:
    events = stream(3_200) + stream(100, 3_200, latency_ms=40_000.0) + stream(500, 3_300, category=None)
    whole = told(Runner(pack()), events, batch=len(events))
    assert {i.kind for i in whole if i.entity == "population"} >= {InsightKind.ANOMALY, InsightKind.DRIFT}
    assert told(Runner(pack()), events, batch) == whole
