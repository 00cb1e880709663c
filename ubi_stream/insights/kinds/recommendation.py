"""What could be done for a user, and what became of it. It is advice: the product does nothing to a user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final, NamedTuple

from ubi_stream.events.verdict import ANSWERS
from ubi_stream.features.stage import NO_ROW, Labelled
from ubi_stream.ids import EntityId, insight_id, short_hash
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.insights.recommendations import RecommendationRecord, RecordType
from ubi_stream.insights.visits import visit_id_of
from ubi_stream.models.bandit import ArmChoice, ArmChooser
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import Recommendation
from ubi_stream.state.history import OpenRecommendation, PendingRecommendation
from ubi_stream.state.panes import HOUR_MS

RECOMMEND_EVERY_MIN: Final = 1440
"""The same action is not recommended twice a day for one entity, nor two for the same segment."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why something is recommended: the insight that carries it, and what that rests on."""

    segment: str
    cause: str
    at_ms: int
    row: int
    confidence: float | None
    contributions: tuple[Contribution, ...]
    claims: tuple[Claim, ...]


class Answered(NamedTuple):
    """What a person's label answered, in a word, and whether that taught which to choose."""

    name: str
    taught: bool


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation, and how it was chosen where there were several."""

    recommendation: Recommendation
    window: str
    choice: dict[str, object]

    def field(self) -> dict[str, object]:
        """The recommendation as a field of the insight that carries it."""
        return self.recommendation.model_dump() | {k: v for k, v in self.choice.items() if k == "propensity"}


class RecommendationInsights:
    """Tells what the pack advises for a segment; where there are several, a bandit chooses and learns what it brought.

    Parameters
    ----------
    choosers
        By segment, for those with several recommendations.
    names
        Features in the order of the columns.
    """

    def __init__(self, plan: Plan, choosers: Mapping[str, ArmChooser], names: tuple[str, ...]) -> None:
        self._plan = plan
        self._texts = plan.pack.texts
        self._choosers = choosers
        self._advice = {segment.name: segment.advice for segment in plan.parts.segments}
        self._bandit = plan.parts.models.bandit
        self._as_insights = plan.pack.outputs.recommendations == "insights"
        context = self._bandit.context if self._bandit else ()
        self._columns = tuple((name, names.index(name)) for name in context)

    def settle(
        self, builder: InsightBuilder, labelled: Labelled | None
    ) -> tuple[Answered | None, list[RecommendationRecord]]:
        """Learn what became of earlier recommendations, as far as the moment says. It comes before what it tells.

        Returns what a person's label answered, if the moment is such a label; and records of rewards and answers.

        A reward is learned once. A conversion counts from the recommendation on until its horizon; without one the
        reward is 0 from the entity's first moment on that finds the watermark behind the horizon. A person's answer
        counts where the pack asks for answers; without one nothing is learned.
        """
        history = builder.change.state.history
        answered, records = self._answered(builder, labelled)
        if not history.pending_recommendations or self._bandit is None:
            return answered, records
        waiting: list[PendingRecommendation] = []
        for pending_recommendations in history.pending_recommendations:
            reward, over = self._reward(builder, pending_recommendations)
            if reward is not None and (chooser := self._choosers.get(pending_recommendations.segment)) is not None:
                if (
                    chooser.learn(pending_recommendations.action, pending_recommendations.context, reward)
                    and pending_recommendations.delivered
                ):
                    records.append(self._reward_record(builder, chooser, pending_recommendations, reward))
                if self._bandit.reward == "feedback":
                    answered = Answered(pending_recommendations.action, taught=True)
            if not over:
                waiting.append(pending_recommendations)
        if len(waiting) < len(history.pending_recommendations):
            history.pending_recommendations = waiting
            builder.keep_history()
        return answered, records

    def _answered(
        self, builder: InsightBuilder, labelled: Labelled | None
    ) -> tuple[Answered | None, list[RecommendationRecord]]:
        """The recommendation that a person's label answers: of an insight that is kept, or of the newest visit."""
        change = builder.change
        verdict = change.event.verdict if change.event is not None else None
        if verdict is None or verdict.insight_id is None:
            return None, []
        open_recommendations = change.state.history.find_open(short_hash(verdict.insight_id))
        if open_recommendations is not None:
            segment, action = (
                open_recommendations.segment,
                open_recommendations.actions[0] if len(open_recommendations.actions) == 1 else None,
            )
        elif (
            labelled is not None
            and labelled.visit is not None
            and labelled.visit_class
            and visit_id_of(self._plan, change.entity_id, labelled.visit) == verdict.insight_id
        ):
            segment, action = labelled.visit_class, None
        else:
            return None, []
        word = verdict.outcome if verdict.outcome in ANSWERS else "accepted" if verdict.positive else "dismissed"
        record = self._record(
            builder,
            "answer",
            verdict.insight_id,
            segment,
            action,
            delivered=word,
            answer=word,
            author=verdict.author,
            note=verdict.note,
        )
        return Answered(action or segment, taught=False), [record]

    def await_reward(
        self, builder: InsightBuilder, occasion: Occasion, scores: Scores, carrier: str
    ) -> tuple[list[Advice], list[RecommendationRecord]]:
        """What is recommended for a segment, unless it was a short while ago; and the record of the choice.

        `carrier` is the id of the insight that has it as a field: what a person's answer names.
        """
        advice, segment = self._advice[occasion.segment], occasion.segment
        if not advice:
            return [], []
        window = segment if len(advice) > 1 else advice[0].action
        if not builder.allows(InsightKind.RECOMMENDATION, window, RECOMMEND_EVERY_MIN):
            return [], []
        if self._as_insights:
            carrier = builder.id_of(InsightKind.RECOMMENDATION, occasion.cause, window)
        records: list[RecommendationRecord] = []
        if len(advice) == 1:
            given = Advice(advice[0], window, {})
        else:
            given, records = self._chosen(builder, segment, advice, self._context(scores, occasion.row), carrier)
        builder.change.state.history.keep_open(
            OpenRecommendation(short_hash(carrier), segment, [given.recommendation.action])
        )
        builder.keep_history()
        return [given], records

    def insights(self, builder: InsightBuilder, occasion: Occasion, given: Sequence[Advice]) -> Iterator[Insight]:
        """Tell recommendations as insights of their own, where the pack asks for it."""
        if self._as_insights:
            for advice in given:
                yield self._insight(builder, occasion, advice)

    def _chosen(
        self,
        builder: InsightBuilder,
        segment: str,
        advice: tuple[Recommendation, ...],
        context: dict[str, float],
        carrier: str,
    ) -> tuple[Advice, list[RecommendationRecord]]:
        assert self._bandit is not None, "the pack was checked: several recommendations need a bandit"
        chooser = self._choosers[segment]
        choice = chooser.choose(context, seed=carrier)
        chosen = next(one for one in advice if one.action == choice.arm)
        at_ms = builder.change.at_ms
        due_ms = at_ms + round(self._bandit.horizon_h * HOUR_MS)
        builder.change.state.history.await_reward(
            PendingRecommendation(
                short_hash(carrier), segment, choice.arm, context, at_ms, due_ms, carrier, choice.propensity
            )
        )
        record = self._record(
            builder,
            "choice",
            carrier,
            segment,
            choice.arm,
            policy=chooser.name,
            propensity=choice.propensity,
            probabilities=dict(choice.probabilities),
            context=context,
            rewards_seen=sum(chooser.pulls.values()),
        )
        return Advice(chosen, segment, self._evidence(chooser, choice, context)), [record]

    def _evidence(self, chooser: ArmChooser, choice: ArmChoice, context: dict[str, float]) -> dict[str, object]:
        """What it takes to judge another way of choosing by this choice."""
        return {
            "policy": chooser.name,
            "propensity": choice.propensity,
            "probabilities": dict(choice.probabilities),
            "context": context,
            "rewards_seen": sum(chooser.pulls.values()),
        }

    def _reward_record(
        self,
        builder: InsightBuilder,
        chooser: ArmChooser,
        pending_recommendations: PendingRecommendation,
        reward: float,
    ) -> RecommendationRecord:
        """What was learned of a choice. That nothing came of it is so since the horizon, whenever it comes to light."""
        assert self._bandit is not None, "only a bandit's recommendations have a reward"
        nothing_came = self._bandit.reward == "conversion" and not reward
        return self._record(
            builder,
            "reward",
            pending_recommendations.delivered,
            pending_recommendations.segment,
            pending_recommendations.action,
            at_ms=pending_recommendations.due_ms if nothing_came else None,
            policy=chooser.name,
            propensity=pending_recommendations.propensity,
            context=pending_recommendations.context,
            rewards_seen=sum(chooser.pulls.values()),
            reward=reward,
            rewarded_by=self._bandit.reward,
        )

    def _record(
        self,
        builder: InsightBuilder,
        kind: RecordType,
        carrier: str,
        segment: str,
        action: str | None,
        *,
        at_ms: int | None = None,
        delivered: str = "",
        **fields: Any,
    ) -> RecommendationRecord:
        """A record; `delivered` tells several of one type about one carrier apart."""
        change, pack, entity = builder.change, self._plan.pack.name, self._plan.entity.name
        return RecommendationRecord(
            id=insight_id(pack, entity, EntityId(change.entity_id), f"recommendation_{kind}", carrier, delivered),
            type=kind,
            pack=pack,
            entity=entity,
            user_id=change.entity_id,
            at_ms=change.at_ms if at_ms is None else at_ms,
            insight_id=carrier,
            segment=segment,
            action=action,
            source=InsightSource(change.origin.topic, change.origin.partition, change.origin.offset),
            trace_id=change.trace_id,
            **fields,
        )

    def _insight(self, builder: InsightBuilder, occasion: Occasion, advice: Advice) -> Insight:
        segment, recommendation = self._texts.segment_word(occasion.segment), advice.recommendation
        entity = self._texts.entity_word(self._plan.entity.name)
        return builder.insight(
            InsightKind.RECOMMENDATION,
            cause=occasion.cause,
            at_ms=occasion.at_ms,
            label=recommendation.action,
            score=recommendation.score,
            confidence=occasion.confidence,
            severity=Severity.MEDIUM if recommendation.priority == 1 else Severity.INFO,
            explanation=Explanation(
                self._texts.recommendation.format(text=recommendation.text, segment=segment, entity=entity),
                occasion.contributions,
                occasion.claims,
            ),
            window=advice.window,
            evidence={"segment": occasion.segment, "priority": recommendation.priority, **advice.choice},
        )

    def _context(self, scores: Scores, row: int) -> dict[str, float]:
        """Features in [0, 1] that the choice is made from; 0 where there are none."""
        if row == NO_ROW:
            return dict.fromkeys((name for name, _ in self._columns), 0.0)
        values = ((name, scores.batch.scaled.item(row, column)) for name, column in self._columns)
        return {name: 0.0 if isnan(value) else value for name, value in values}

    def _reward(
        self, builder: InsightBuilder, pending_recommendations: PendingRecommendation
    ) -> tuple[float | None, bool]:
        """What is to be learned at the moment, if anything; and whether no more is to be waited for."""
        assert self._bandit is not None, "only a bandit's recommendations wait for a reward"
        change = builder.change
        expired = change.watermark_ms > pending_recommendations.due_ms
        if self._bandit.reward == "feedback":
            verdict = change.event.verdict if change.event is not None else None
            if (
                verdict is None
                or verdict.insight_id is None
                or short_hash(verdict.insight_id) != pending_recommendations.insight
            ):
                return None, expired
            return float(ANSWERS.get(verdict.outcome or "", True) == verdict.positive), True
        converted = change.event is not None and (
            self._plan.type_index.get(change.event.event_type) in self._plan.conversions
        )
        if converted and pending_recommendations.at_ms <= change.at_ms <= pending_recommendations.due_ms:
            return 1.0, True
        return (0.0, True) if expired else (None, False)
