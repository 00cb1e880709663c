"""The decide stage: what is told, to whom it may matter, and with which words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ubi_stream.features.registry import Feature
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.kinds.anomaly import AnomalyInsights
from ubi_stream.insights.kinds.change import HabitChangeInsights
from ubi_stream.insights.kinds.change_wave import ChangeWaveInsights
from ubi_stream.insights.kinds.drift import DriftInsights
from ubi_stream.insights.kinds.erasure import ErasureInsights
from ubi_stream.insights.kinds.forecast import ForecastInsights
from ubi_stream.insights.kinds.label import LabelInsights
from ubi_stream.insights.kinds.model import ModelInsights
from ubi_stream.insights.kinds.population import WaveInsights
from ubi_stream.insights.kinds.prediction import PredictionInsights
from ubi_stream.insights.kinds.recommendation import RecommendationInsights
from ubi_stream.insights.kinds.risk import RiskInsights
from ubi_stream.insights.kinds.rule_wave import RuleWaveInsights
from ubi_stream.insights.kinds.segment import SegmentInsights
from ubi_stream.insights.model import Insight
from ubi_stream.insights.recommendations import RecommendationErasure, RecommendationOutput
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.rules.risks import Assessed, Rules
from ubi_stream.rules.segments import Assigned, Segments
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.store import StateStore


class DecidedBatch(NamedTuple):
    """What comes of a batch."""

    insights: list[Insight]
    recommendations: list[RecommendationOutput]

    def take(self, outputs: Iterable[Insight | RecommendationOutput]) -> None:
        """Add what comes of one moment."""
        for output in outputs:
            if isinstance(output, Insight):
                self.insights.append(output)
            else:
                self.recommendations.append(output)


class DecideStage:
    """Turns the scores of a batch into insights.

    An entity is not told about twice for the same thing within the cool-down that the pack sets.
    """

    def __init__(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        plan: Plan,
        features: tuple[Feature, ...],
        rule_features: tuple[Feature, ...],
        segments: Segments,
        rules: Rules,
        states: StateStore,
        population: InsightHistory,
        choosers: Mapping[str, ArmChooser],
        *,
        model_version: str,
    ) -> None:
        explain = Explainer(features, plan.pack.texts)
        self._plan = plan
        self._states = states
        self._population = population
        self._model_version = model_version
        self._recommendations = RecommendationInsights(plan, choosers, tuple(feature.name for feature in features))
        self._segments = SegmentInsights(plan, explain, segments, self._recommendations)
        self._anomalies = AnomalyInsights(plan, explain, features)
        self._waves = WaveInsights(plan, explain)
        self._rule_waves = RuleWaveInsights(plan, rule_features)
        self._drifts = DriftInsights(plan, explain)
        self._risks = RiskInsights(plan, rules, features, rule_features)
        self._changes = HabitChangeInsights(plan)
        self._change_waves = ChangeWaveInsights(plan)
        self._labels = LabelInsights(plan)
        self._receipts = ErasureInsights(plan)
        self._forecasts = ForecastInsights(plan)
        self._choices = ModelInsights(plan)
        self._likely = PredictionInsights(plan, explain)

    def decide(self, scores: Scores, assigned: Assigned, assessed: Assessed) -> DecidedBatch:
        """Insights of a batch and records of recommendations, in the order of the moments that caused them."""
        batch, predictions = scores.batch, scores.predictions
        for entity_id in predictions.asked:
            self._states.touch(entity_id)
        rows = {
            *assessed.met,
            *scores.waves,
            *scores.rule_waves,
            *scores.drifts,
            *scores.alerts,
            *predictions.likely,
            *batch.days,
        }
        positions = {
            *assigned.segment_changes,
            *scores.habit_changes,
            *scores.change_waves,
            *predictions.choices,
            *predictions.worsened,
        }
        if scores.learned is not None or (batch.changes and batch.changes[0].erased is not None):
            positions.add(0)  # a label, or an erasure, is the first moment of its batch
        decided = DecidedBatch([], [])
        for position, (change, row) in enumerate(zip(batch.changes, batch.rows, strict=True)):
            # Most moments bring nothing to tell: they cost no more than this question.
            is_occasion = row in rows or position in positions or change.ended is not None
            if not change.new or not (is_occasion or change.state.history.pending_recommendations):
                continue
            segment = assigned.after[position]
            builder = InsightBuilder(self._plan, change, self._model_version, self._states, self._population, segment)
            decided.take(self._of_change(builder, position, scores, assigned))
            if row in rows:
                decided.take(self._of_row(builder, row, scores, assessed))
        return decided

    def _of_change(
        self, builder: InsightBuilder, position: int, scores: Scores, assigned: Assigned
    ) -> Iterator[Insight | RecommendationOutput]:
        """What is told of a moment, be it an event or a silence."""
        change, predictions = builder.change, scores.predictions
        if change.erased is not None:
            yield self._receipts.insights(builder, change.erased)
            yield RecommendationErasure(self._plan.entity.name, change.entity_id)
            return
        answered, records = self._recommendations.settle(builder, scores.batch.labelled if position == 0 else None)
        event = change.event
        if scores.learned is not None and event is not None and event.verdict is not None:
            yield self._labels.insights(builder, scores.learned, event.verdict, answered)
        yield from records
        for choice in predictions.choices.get(position, ()):
            yield self._choices.insights(builder, choice)
        for worse in predictions.worsened.get(position, ()):
            yield from self._drifts.loss_insights(builder, worse)
        if (segment_change := assigned.segment_changes.get(position)) is not None:
            yield from self._segments.insights(builder, segment_change, scores)
        for change_wave in scores.change_waves.get(position, ()):
            yield from self._change_waves.insights(builder, change_wave)
        if (habit := scores.habit_changes.get(position)) is not None:
            yield from self._changes.insights(builder, habit)

    def _of_row(self, builder: InsightBuilder, row: int, scores: Scores, assessed: Assessed) -> Iterator[Insight]:
        """What is told of an event's row."""
        if (wave := scores.waves.get(row)) is not None:
            yield from self._waves.insights(builder, wave)
        for rule_wave in scores.rule_waves.get(row, ()):
            yield from self._rule_waves.insights(builder, rule_wave)
        for drift in scores.drifts.get(row, ()):
            yield from self._drifts.insights(builder, drift)
        yield from self._risks.insights(builder, scores, row, assessed)
        if self._risks.is_serious(assessed.met.get(row, ())):
            self._anomalies.note_explained(builder)
        if row in assessed.explained:
            return  # a bot is unusual in every way: one sentence about it is enough
        if (alert := scores.alerts.get(row)) is not None:
            yield from self._anomalies.insights(builder, scores, row, alert)
        for likely in scores.predictions.likely.get(row, ()):
            yield from self._likely.insights(builder, scores, row, likely)
        if (days := scores.batch.days.get(row)) is not None:
            yield from self._forecasts.insights(builder, days)
