"""An event that is unusual for its entity."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from ubi_stream.ids import short_hash
from ubi_stream.insights.explain import MAX_CONTRIBUTIONS, Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.words import short
from ubi_stream.models.oddness.blend import COMBINATION, REPEAT
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.state.memo import Told

HIGH_ANOMALY: Final = 2 / 3
"""Score from which on an anomaly is of high severity: a mean share of one in 10,000."""
_SPEAKS: Final = 0.05
"""A detector with a rarer answer than this is named."""
_COUNTS: Final = 0.05
"""A feature with a larger share of the score than this is a reason to name."""


class Anomalies:
    """Tells of rows above the threshold."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain
        model = plan.pack.models.anomaly
        self._cool_down_min = model.cool_down_min if model else 0.0

    def tell(self, teller: Teller, scores: Scores, row: int, alert: Alert) -> Iterator[Insight]:
        """Tell of one alert, unless a wave is told of as a whole, or the entity was told about a short while ago."""
        if alert.held or not teller.allows(InsightKind.ANOMALY, "", self._cool_down_min):
            return
        contributions = self._contributions(scores, row, alert)
        texts, entity = self._plan.pack.texts, self._plan.entity.name
        why = texts.separator.join(self._reasons(alert, contributions))
        summary = texts.anomaly.format(entity=texts.entity_word(entity), why=why)
        insight = teller.insight(
            InsightKind.ANOMALY,
            label="unusual",
            score=alert.score,
            severity=Severity.HIGH if alert.score >= HIGH_ANOMALY else Severity.MEDIUM,
            explanation=Explanation(summary, contributions),
            evidence={
                "threshold": alert.threshold,
                "one_in": round(alert.one_in),
                "detectors": {name: round(share, 6) for name, share in alert.shares.items() if share <= _SPEAKS},
                "n_seen": alert.n_seen,
                "warm_up": False,
                "events_seen": scores.batch.facts[row].events,
                "confirmed": alert.confirmed,
            },
        )
        values = array("f", scores.batch.values[row].tolist()).tobytes()
        teller.moment.state.memo.remember(Told(short_hash(insight.id), "", alert.score, alert.quantile, values))
        teller.keep_memo()
        yield insight

    def _contributions(self, scores: Scores, row: int, alert: Alert) -> tuple[Contribution, ...]:
        """The strongest features; and the detector that spoke, where no single feature explains it."""
        parts = self._explain.contributions(scores, row, alert.parts)
        if alert.speaker in (COMBINATION, REPEAT) or not any(part.contribution > 0 for part in parts):
            whole = (*parts, Contribution(alert.speaker, None, alert.spoken))
            parts = tuple(sorted(whole, key=lambda part: -abs(part.contribution))[:MAX_CONTRIBUTIONS])
        return parts

    def _reasons(self, alert: Alert, contributions: tuple[Contribution, ...]) -> Iterator[str]:
        """What a person is told first: a rare combination or a repeat, if it spoke, then the strongest features."""
        texts = self._plan.pack.texts
        if alert.speaker == COMBINATION:
            one_in = short(1.0 / alert.shares[COMBINATION])
            yield texts.combination.format(combination=alert.combination, one_in=one_in)
        if alert.speaker == REPEAT:
            yield texts.repeat
        features = [part for part in contributions if part.feature != alert.speaker]
        leading = [part for part in features if part.contribution > _COUNTS * alert.score][:2]
        if not leading and alert.speaker not in (COMBINATION, REPEAT):
            leading = [part for part in features if part.contribution > 0][:1] or features[:1]
        yield from map(self._explain.phrase, leading)
        if not leading and alert.speaker not in (COMBINATION, REPEAT):
            yield texts.rare.format(one_in=short(alert.one_in))
