"""An entity that changed its habits."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from statistics import NormalDist
from typing import Final

from ubi_stream.insights.claims import compared
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.words import in_words
from ubi_stream.models.change import Change
from ubi_stream.packs.plan import Plan

_NORMAL: Final = NormalDist()


class Changes:
    """Tells of a few days that are unlike the same weekdays of the weeks before."""

    def __init__(self, plan: Plan) -> None:
        self._model = plan.pack.models.change
        self._texts = plan.pack.texts

    def tell(self, teller: Teller, change: Change) -> Iterator[Insight]:
        """Tell of a change, unless one in the same direction was told about not long ago and was as certain."""
        model, moment = self._model, teller.moment
        assert model is not None, "no change is found without the model"
        certain = change.z >= model.z
        label, cause = f"rate_{change.direction}", "certain" if certain else ""
        # What a wave tells of all begins the cool-down too: it is not told late.
        allowed = teller.allows(InsightKind.BEHAVIOUR_CHANGE, label, model.cool_down_min, cause=cause)
        if change.held or not allowed:
            return
        yield teller.insight(
            InsightKind.BEHAVIOUR_CHANGE,
            cause=f"day {moment.reviewed}",
            label=label,
            score=1.0 - exp(-change.z / 2.5),
            confidence=_NORMAL.cdf(change.corrected_z),
            severity=_severity(change, certain=certain),
            explanation=self._explained(change),
            window=label,
            evidence={
                "measure": change.measure,
                "factor": change.factor,
                "z": change.z,
                "corrected_z": change.corrected_z,
                "days": change.days,
                "baseline_weeks": change.weeks,
                "also": change.also,
            },
        )

    def _explained(self, change: Change) -> Explanation:
        name, texts = f"{change.measure}_{change.days}d", self._texts
        claim = compared(name, change.recent, change.unit, change.usual, "own_usual")
        part = Contribution(name, change.recent, log((change.recent + 0.5) / (change.usual + 0.5)), usual=change.usual)
        summary = texts.change.format(
            measure=self._measure(change.measure),
            span={3: texts.three_days, 7: texts.week, 14: texts.two_weeks}[change.days],
            recent=in_words(change.recent, change.unit, texts),
            usual=in_words(change.usual, change.unit, texts),
        )
        return Explanation(summary, (part,), (claim,))

    def _measure(self, measure: str) -> str:
        """What a measure is called."""
        of, _, name = measure.partition("/")
        word: str = getattr(self._texts, f"measure_{of}")
        return word.format(name=name)


def _severity(change: Change, *, certain: bool) -> Severity:
    if not certain:
        return Severity.INFO
    return Severity.LOW if change.direction == "up" else Severity.MEDIUM
