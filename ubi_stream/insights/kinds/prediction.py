"""An outcome that is likely enough to be told of."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from ubi_stream.ids import short_hash
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.model import Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words
from ubi_stream.models.outcomes.predictions import LikelyOutcome
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.state.history import DeliveredInsight


class PredictionInsights:
    """Tells of rows whose calibrated probability is above what the pack asks for."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain
        self._outcomes = {outcome.name: outcome for outcome in plan.parts.outcomes}

    def insights(self, builder: InsightBuilder, scores: Scores, row: int, likely: LikelyOutcome) -> Iterator[Insight]:
        """Tell of one outcome, unless the entity was told about it a short while ago."""
        outcome = self._outcomes[likely.outcome]
        if not builder.allows(InsightKind.PREDICTION, outcome.name, outcome.cool_down_min):
            return
        contributions = self._explain.contributions(scores, row, likely.parts)
        texts, share = self._plan.pack.texts, in_words(likely.probability, "share", self._plan.pack.texts)
        statement = texts.prediction.format(outcome=texts.outcome_word(outcome.name), probability=share)
        leading = [part for part in contributions if part.contribution > 0][:2] or list(contributions[:1])
        reasons = self._explain.claims_of(leading)
        why = self._explain.say_all(reasons)
        least = outcome.tell_above or 0.0
        claims = (Claim(outcome.name, likely.probability, "share", ">=", least, "threshold"), *reasons)
        insight = builder.insight(
            InsightKind.PREDICTION,
            label=outcome.name,
            score=likely.probability,
            confidence=max(likely.probability, 1.0 - likely.probability),
            severity=Severity(outcome.severity),
            explanation=Explanation(
                texts.because.format(statement=statement, why=why) if why else statement, contributions, claims
            ),
            window=outcome.name,
            evidence={
                **scores.predictions.outcomes[outcome.name].evidence(row),
                "tell_above": outcome.tell_above,
                "runner_up": f"not_{outcome.name}",
                "runner_up_probability": 1.0 - likely.probability,
                "log_odds": likely.log_odds,
                "baseline_log_odds": likely.baseline_log_odds,
                "other_contributions": float(likely.parts.sum()) - sum(part.contribution for part in contributions),
                "contributions_add_up": likely.is_linear,
            },
        )
        values = array("f", scores.batch.values[row].tolist()).tobytes()
        delivered = DeliveredInsight(
            short_hash(insight.id), outcome.name, likely.probability, outcome.tell_above or 0.0, values
        )
        builder.change.state.history.remember(delivered)
        builder.keep_history()
        yield insight
