"""An entity that changed its habits."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from typing import Final

from ubi_stream.features.stage import Featurized
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.words import short
from ubi_stream.models.change import RateChange, rate_change
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan

_MIN_DAYS: Final = 2
"""Days before the last 24 hours without which nothing is known to be usual."""


class Changes:
    """Tells of a rate of the last day that is another than in the days before."""

    def __init__(self, plan: Plan) -> None:
        self._model = plan.pack.models.change
        self._texts = plan.pack.texts

    def of_batch(self, batch: Featurized) -> set[int]:
        """Rows of entities with days and events enough to tell a change."""
        model = self._model
        if model is None:
            return set()
        enough = model.min_events
        return {
            row
            for row, facts in enumerate(batch.facts)
            if facts.before_days >= _MIN_DAYS and facts.recent + facts.before >= enough
        }

    def tell(self, teller: Teller, scores: Scores, row: int) -> Iterator[Insight]:
        """Tell of a change at a row that `of_batch` named, unless it was told about a short while ago."""
        model = self._model
        assert model is not None, "no row is named without the model"
        facts = scores.batch.facts[row]
        found = rate_change(
            facts.recent,
            1.0,
            facts.before,
            facts.before_days,
            min_factor=model.factor,
            min_z=model.z,
            min_count=model.min_events,
        )
        label = "" if found is None else f"rate_{found.direction}"
        if found is None or not teller.allows(InsightKind.BEHAVIOUR_CHANGE, label, model.cool_down_min):
            return
        usual = facts.before / facts.before_days
        part = Contribution("events_24h", float(facts.recent), log(found.factor), usual=usual)
        summary = self._texts.change.format(recent=str(facts.recent), usual=short(usual), factor=short(found.factor))
        yield teller.insight(
            InsightKind.BEHAVIOUR_CHANGE,
            label=label,
            score=_certainty(found),
            severity=Severity.LOW if found.direction == "up" else Severity.MEDIUM,
            explanation=Explanation(summary, (part,)),
            window=label,
            evidence={"factor": found.factor, "z": found.z, "baseline_days": facts.before_days},
        )


def _certainty(change: RateChange) -> float:
    """Evidence in [0, 1): four deviations are 0.8, ten are 0.98."""
    return 1.0 - exp(-abs(change.z) / 2.5)
