"""An entity that changed its habits."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from statistics import NormalDist
from typing import Final

from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import compared
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words
from ubi_stream.models.rate_change import HabitChange
from ubi_stream.packs.plan import Plan

_NORMAL: Final = NormalDist()


class HabitChangeInsights:
    """Tells of a few days that are unlike the same weekdays of the weeks before."""

    def __init__(self, plan: Plan) -> None:
        self._model = plan.parts.models.change
        self._texts = plan.pack.texts

    def insights(self, builder: InsightBuilder, habit_change: HabitChange) -> Iterator[Insight]:
        """Tell of a change, unless one in the same direction was told about not long ago and was as certain."""
        model, change = self._model, builder.change
        assert model is not None, "no change is found without the model"
        certain = habit_change.z >= model.z
        label, cause = f"rate_{habit_change.direction}", "certain" if certain else ""
        # What a wave tells of all begins the cool-down too: it is not told late.
        allowed = builder.allows(InsightKind.BEHAVIOUR_CHANGE, label, model.cool_down_min, cause=cause)
        if habit_change.held or not allowed:
            return
        yield builder.insight(
            InsightKind.BEHAVIOUR_CHANGE,
            cause=f"day {change.reviewed}",
            label=label,
            score=1.0 - exp(-habit_change.z / 2.5),
            confidence=_NORMAL.cdf(habit_change.corrected_z),
            severity=_severity(habit_change, certain=certain),
            explanation=self._explained(habit_change),
            window=label,
            evidence={
                "measure": habit_change.measure,
                "factor": habit_change.factor,
                "z": habit_change.z,
                "corrected_z": habit_change.corrected_z,
                "days": habit_change.days,
                "baseline_weeks": habit_change.weeks,
                "also": habit_change.also,
            },
        )

    def _explained(self, habit_change: HabitChange) -> Explanation:
        name, texts = f"{habit_change.measure}_{habit_change.days}d", self._texts
        claim = compared(name, habit_change.recent, habit_change.unit, habit_change.usual, "own_usual")
        part = Contribution(
            name,
            habit_change.recent,
            log((habit_change.recent + 0.5) / (habit_change.usual + 0.5)),
            usual=habit_change.usual,
        )
        summary = texts.change.format(
            measure=self._measure(habit_change.measure),
            span={3: texts.three_days, 7: texts.week, 14: texts.two_weeks}[habit_change.days],
            recent=in_words(habit_change.recent, habit_change.unit, texts),
            usual=in_words(habit_change.usual, habit_change.unit, texts),
        )
        return Explanation(summary, (part,), (claim,))

    def _measure(self, measure: str) -> str:
        """What a measure is called."""
        of, _, name = measure.partition("/")
        word: str = getattr(self._texts, f"measure_{of}")
        return word.format(name=name)


def _severity(habit_change: HabitChange, *, certain: bool) -> Severity:
    if not certain:
        return Severity.INFO
    return Severity.LOW if habit_change.direction == "up" else Severity.MEDIUM
