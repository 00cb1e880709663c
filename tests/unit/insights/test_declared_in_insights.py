"""Declared features in rules, segments, anomalies and sentences, as any other feature."""

from __future__ import annotations

from support.folding import Runner
from support.probe import MINUTE_MS, PROBE_TOML, START_MS, event
from ubi_stream.features.stage import Featurizer
from ubi_stream.insights.claims import holds, titles_of, unclaimed_numbers
from ubi_stream.insights.model import InsightKind
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.plan import compile_plan

DECLARED = """
[[features]]
name = "returned_1h"
kind = "sum"
types = ["purchase"]
property = "returned"
window = "1h"
title = "things sent back in an hour"
unit = "items"

[[features]]
name = "brands_visit"
kind = "distinct"
property = "brand"
window = "visit"
title = "different brands in this visit"

[[rules]]
name = "sends_back"
severity = "high"
summary = "{returned_1h} sent back, the limit is {returned_1h:bound}"
cool_down_min = 0
when = [{ feature = "returned_1h", op = ">=", value = 5 }]

[[segments]]
name = "dormant"
"""
TEXT = (
    PROBE_TOML.replace('"bounce_rate", "amount_z", "burstiness",', '"bounce_rate", "amount_z", "brands_visit",', 1)
    .replace('[[segments]]\nname = "dormant"\n', DECLARED, 1)
    .replace(
        '{ feature = "session_depth", op = ">=", value = 3 }]', '{ feature = "brands_visit", op = ">=", value = 3 }]', 1
    )
    .replace('anomaly_features = ["events_1h",', 'anomaly_features = ["brands_visit",', 1)
)
PACK = parse_pack(TEXT, where="probe")


def test_a_rule_is_met_and_its_sentence_says_value_and_bound_in_the_units_of_the_pack() -> None:
    delivered = Runner(PACK).run(
        event(event_type="purchase", returned=3), event(at_ms=START_MS + MINUTE_MS, event_type="purchase", returned=4)
    )
    (risk,) = (insight for insight in delivered.insights if insight.kind is InsightKind.RISK)
    summary, claims = risk.explanation.summary, risk.explanation.claims
    assert summary == "7 sent back, the limit is 5"
    assert [(claim.feature, claim.value, claim.bound, claim.unit) for claim in claims] == [
        ("returned_1h", 7, 5, "items")
    ]
    assert all(map(holds, claims))
    assert unclaimed_numbers(summary, claims, titles=titles_of(PACK)) == []


def test_a_segment_changes_by_it_and_names_its_title() -> None:
    brands = [event(at_ms=START_MS + n * MINUTE_MS, brand=f"b{n}") for n in range(3)]
    delivered = Runner(PACK).run(*brands)
    (segment,) = (insight for insight in delivered.insights if insight.kind is InsightKind.SEGMENT)
    assert segment.label == "browser"
    assert "different brands in this visit: 3" in segment.explanation.summary


def test_models_look_at_it_and_its_value_is_written() -> None:
    featurizer = Featurizer(compile_plan(PACK, "user"))
    assert "brands_visit" in featurizer.names
    (row,) = Runner(PACK).run(event(brand="b1")).features
    assert row.features["brands_visit"] == 1.0
