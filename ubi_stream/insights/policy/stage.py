"""The decide stage: what is told, to whom it may matter, and with which words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ubi_stream.features.registry import Feature
from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Insight
from ubi_stream.insights.policy.anomaly import Anomalies
from ubi_stream.insights.policy.change import Changes
from ubi_stream.insights.policy.change_wave import ChangeWaveInsights
from ubi_stream.insights.policy.drift import Drifts
from ubi_stream.insights.policy.erasure import Receipts
from ubi_stream.insights.policy.forecast import Forecasts
from ubi_stream.insights.policy.label import Labels
from ubi_stream.insights.policy.model import Choices
from ubi_stream.insights.policy.population import Waves
from ubi_stream.insights.policy.prediction import ForeseenOutcomes
from ubi_stream.insights.policy.recommendation import Recommendations
from ubi_stream.insights.policy.risk import Risks
from ubi_stream.insights.policy.rule_wave import RuleWaveInsights
from ubi_stream.insights.policy.segment import SegmentChanges
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.recommendations import RecommendationErasure, RecommendationOutput
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.models.rules import Assessed, Rules
from ubi_stream.models.scores import Scores
from ubi_stream.models.segments import Assigned, Segments
from ubi_stream.packs.plan import Plan
from ubi_stream.state.memo import Memo
from ubi_stream.state.store import StateStore


class Decided(NamedTuple):
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


class Policy:
    """Turns the scores of a batch into insights.

    An entity is not told about twice for the same thing within the cool-down that the pack sets.
    """

    def __init__(
        self,
        plan: Plan,
        features: tuple[Feature, ...],
        rule_features: tuple[Feature, ...],
        segments: Segments,
        rules: Rules,
        states: StateStore,
        population: Memo,
        choosers: Mapping[str, ArmChooser],
        *,
        model_version: str,
    ) -> None:
        explain = Explainer(features, plan.pack.texts)
        self._plan = plan
        self._states = states
        self._population = population
        self._model_version = model_version
        self._recommendations = Recommendations(plan, choosers, tuple(feature.name for feature in features))
        self._segments = SegmentChanges(plan, explain, segments, self._recommendations)
        self._anomalies = Anomalies(plan, explain, features)
        self._waves = Waves(plan, explain)
        self._rule_waves = RuleWaveInsights(plan, rule_features)
        self._drifts = Drifts(plan, explain)
        self._risks = Risks(plan, rules, features, rule_features)
        self._changes = Changes(plan)
        self._change_waves = ChangeWaveInsights(plan)
        self._labels = Labels(plan)
        self._receipts = Receipts(plan)
        self._forecasts = Forecasts(plan)
        self._choices = Choices(plan)
        self._foreseen = ForeseenOutcomes(plan, explain)

    def decide(self, scores: Scores, assigned: Assigned, assessed: Assessed) -> Decided:
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
            *predictions.foreseen,
            *batch.days,
        }
        positions = {
            *assigned.changes,
            *scores.changes,
            *scores.change_waves,
            *predictions.choices,
            *predictions.worsened,
        }
        if scores.learned is not None or (batch.moments and batch.moments[0].erased is not None):
            positions.add(0)  # a label, or an erasure, is the first moment of its batch
        decided = Decided([], [])
        for position, (moment, row) in enumerate(zip(batch.moments, batch.rows, strict=True)):
            # Most moments bring nothing to tell: they cost no more than this question.
            is_occasion = row in rows or position in positions or moment.ended is not None
            if not moment.new or not (is_occasion or moment.state.memo.advised):
                continue
            segment = assigned.after[position]
            teller = Teller(self._plan, moment, self._model_version, self._states, self._population, segment)
            decided.take(self._of_moment(teller, position, scores, assigned))
            if row in rows:
                decided.take(self._of_row(teller, row, scores, assessed))
        return decided

    def _of_moment(
        self, teller: Teller, position: int, scores: Scores, assigned: Assigned
    ) -> Iterator[Insight | RecommendationOutput]:
        """What is told of a moment, be it an event or a silence."""
        moment, predictions = teller.moment, scores.predictions
        if moment.erased is not None:
            yield self._receipts.tell(teller, moment.erased)
            yield RecommendationErasure(self._plan.entity.name, moment.entity_id)
            return
        answered, records = self._recommendations.settle(teller, scores.batch.labelled if position == 0 else None)
        event = moment.event
        if scores.learned is not None and event is not None and event.verdict is not None:
            yield self._labels.tell(teller, scores.learned, event.verdict, answered)
        yield from records
        for choice in predictions.choices.get(position, ()):
            yield self._choices.tell(teller, choice)
        for worse in predictions.worsened.get(position, ()):
            yield from self._drifts.tell_loss(teller, worse)
        if (change := assigned.changes.get(position)) is not None:
            yield from self._segments.tell(teller, change, scores)
        for change_wave in scores.change_waves.get(position, ()):
            yield from self._change_waves.tell(teller, change_wave)
        if (habit := scores.changes.get(position)) is not None:
            yield from self._changes.tell(teller, habit)

    def _of_row(self, teller: Teller, row: int, scores: Scores, assessed: Assessed) -> Iterator[Insight]:
        """What is told of an event's row."""
        if (wave := scores.waves.get(row)) is not None:
            yield from self._waves.tell(teller, wave)
        for rule_wave in scores.rule_waves.get(row, ()):
            yield from self._rule_waves.tell(teller, rule_wave)
        for drift in scores.drifts.get(row, ()):
            yield from self._drifts.tell(teller, drift)
        yield from self._risks.tell(teller, scores, row, assessed)
        if self._risks.is_serious(assessed.met.get(row, ())):
            self._anomalies.note_explained(teller)
        if row in assessed.explained:
            return  # a bot is unusual in every way: one sentence about it is enough
        if (alert := scores.alerts.get(row)) is not None:
            yield from self._anomalies.tell(teller, scores, row, alert)
        for foreseen in scores.predictions.foreseen.get(row, ()):
            yield from self._foreseen.tell(teller, scores, row, foreseen)
        if (days := scores.batch.days.get(row)) is not None:
            yield from self._forecasts.tell(teller, days)
