"""An event that is unusual for its entity."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from ubi_stream.ids import short_hash
from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.state.memo import Told

HIGH_ANOMALY: Final = 0.98
"""Score from which on an anomaly is of high severity."""


class Anomalies:
    """Tells of rows above the threshold."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain
        model = plan.pack.models.anomaly
        self._cool_down_min = model.cool_down_min if model else 0.0

    def tell(self, teller: Teller, scores: Scores, row: int, alert: Alert) -> Iterator[Insight]:
        """Tell of one alert, unless the entity was told about a short while ago."""
        if not teller.allows(InsightKind.ANOMALY, "", self._cool_down_min):
            return
        contributions = self._explain.contributions(scores, row, alert.parts)
        leading = [part for part in contributions if part.contribution > 0][:2] or list(contributions[:1])
        texts, entity = self._plan.pack.texts, self._plan.entity.name
        summary = texts.anomaly.format(entity=texts.entity_word(entity), why=self._explain.reasons(leading))
        insight = teller.insight(
            InsightKind.ANOMALY,
            label="unusual",
            score=alert.score,
            severity=Severity.HIGH if alert.score >= HIGH_ANOMALY else Severity.MEDIUM,
            explanation=Explanation(summary, contributions),
            evidence={
                "threshold": alert.threshold,
                "events_seen": scores.batch.facts[row].events,
                "confirmed": alert.confirmed,
            },
        )
        values = array("f", scores.batch.values[row].tolist()).tobytes()
        teller.moment.state.memo.remember(Told(short_hash(insight.id), "", alert.score, alert.quantile, values))
        teller.keep_memo()
        yield insight
