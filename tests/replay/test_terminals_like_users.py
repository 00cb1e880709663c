"""Terminals have what users have: segments, rules, outcomes, visits, change, drift, forecast, bandit, roles."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, record
from support.terminals import PACK, months_of_a_street, payment
from ubi_stream.effects import Effects
from ubi_stream.insights.claims import holds, titles_of, unclaimed_numbers
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.insights.visits import VisitRecord
from ubi_stream.metrics.reports import reports_of
from ubi_stream.settings import Settings

TOPIC = Settings(partitions=1).repartition_topic("terminal")
DAYS = 45


class Terminals:
    """A partition of terminals, given events as they come from the customers' partitions."""

    def __init__(self) -> None:
        self.runner = Runner(PACK, "terminal")
        self.effects: list[Effects] = []
        self._offset = 0

    def run(self, contents: list[dict[str, object]], *, batch: int = 200) -> Terminals:
        for start in range(0, len(contents), batch):
            part = contents[start : start + batch]
            records = [record(content, self._offset + n, topic=TOPIC) for n, content in enumerate(part)]
            self._offset += len(records)
            self.effects.append(self.runner.run_records(records))
        return self

    @property
    def insights(self) -> list[Insight]:
        return [insight for effects in self.effects for insight in effects.insights]


@cache
def street() -> Terminals:
    return Terminals().run(list(months_of_a_street(DAYS)))


def test_a_terminal_has_segments_that_are_told_with_its_word() -> None:
    busy = [one for one in street().insights if (one.kind, one.label) == (InsightKind.SEGMENT, "busy")]
    assert {one.user_id for one in busy} == {"till0"}
    assert busy[0].entity == "terminal"
    assert busy[0].explanation.summary.startswith("The till is now busy (before: quiet): different customers")


def test_silence_makes_a_terminal_closed() -> None:
    rest = [
        payment("till1", START_MS + day * DAY_MS + hour * HOUR_MS, 50_000 + day * 10 + hour, 3)
        for day in range(DAYS, DAYS + 8)
        for hour in (9, 12)
    ]
    found = Terminals().run([*months_of_a_street(DAYS), *rest])
    closed = {one.user_id for one in found.insights if (one.kind, one.label) == (InsightKind.SEGMENT, "closed")}
    assert closed == {f"till{number}" for number in (0, 2, 3, 4, 5)}


def test_a_terminal_meets_rules() -> None:
    refunds = [payment("till9", START_MS + n * MINUTE_MS, n, n, event_type="refund") for n in range(4)]
    (risk,) = (one for one in Terminals().run(refunds).insights if one.kind is InsightKind.RISK)
    assert (risk.entity, risk.user_id, risk.label) == ("terminal", "till9", "many_refunds")
    assert risk.explanation.summary == "3 refunds in a day"


def test_its_visits_are_recorded_with_their_class_and_its_own_roles() -> None:
    visits = [one for effects in street().effects for one in effects.visits if isinstance(one, VisitRecord)]
    assert {one.entity for one in visits} == {"terminal"}
    assert {one.behavior_segment for one in visits} == {"rush", "trickle"}
    assert all((one.unique_products >= 5) == (one.behavior_segment == "rush") for one in visits)


def test_labels_teach_its_outcome_which_is_predicted() -> None:
    models = street().runner.partition.models
    panel = models.outcomes.panels["fraud"]
    assert panel.serving.n_seen > 100
    delivered = [one for one in street().insights if one.kind is InsightKind.PREDICTION]
    assert Counter(one.user_id for one in delivered).most_common(1)[0][0] == "till0"


def test_change_and_forecast_are_told_of_it() -> None:
    changes = {one.user_id for one in street().insights if one.kind is InsightKind.BEHAVIOUR_CHANGE}
    forecasts = {one.user_id for one in street().insights if one.kind is InsightKind.FORECAST}
    assert "till0" in changes
    assert "till0" in forecasts


def test_drift_and_bandit_learn_from_its_events() -> None:
    models = street().runner.partition.models
    assert models.drift is not None
    assert models.drift.watch.n_blocks > 5
    (chooser,) = models.choosers.values()
    assert set(chooser.pulls) == {"add_a_till", "praise"}
    records = [one for effects in street().effects for one in effects.recommendations]
    assert {one.entity for one in records} == {"terminal"}
    assert {report.entity for report in reports_of([("terminal", 0, models)])} == {"terminal"}


def test_its_sentences_say_no_more_than_their_claims() -> None:
    titles = titles_of(PACK)
    for one in street().insights:
        assert all(map(holds, one.explanation.claims))
        assert unclaimed_numbers(one.explanation.summary, one.explanation.claims, titles=titles) == []


def test_customers_have_none_of_it() -> None:
    delivered = Runner(PACK).run(*(content for content in months_of_a_street(3) if content["event_type"] != "$label"))
    assert not [one for one in delivered.insights if one.kind in (InsightKind.RISK, InsightKind.PREDICTION)]
    assert {one.segment for one in delivered.visits if isinstance(one, VisitRecord)} <= {"customer", None}


@pytest.mark.parametrize("batch", [1, 37])
def test_where_the_stream_is_cut_changes_nothing(batch: int) -> None:
    contents = list(months_of_a_street(12))
    whole, parts = Terminals().run(contents, batch=len(contents)), Terminals().run(contents, batch=batch)
    assert parts.insights == whole.insights
    visits = [[one for effects in run.effects for one in effects.visits] for run in (whole, parts)]
    assert visits[0] == visits[1]
