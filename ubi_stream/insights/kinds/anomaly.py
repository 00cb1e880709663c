"""An event that is unusual for its entity, where a person would want to know."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from ubi_stream.features.registry import Feature
from ubi_stream.ids import short_hash
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.state.history import DeliveredInsight

_NAMED: Final = 0.05
"""A detector with a rarer answer than this is in the evidence."""
_LABEL: Final = "unusual"
_DEVIATIONS: Final = "deviations"
_LEAST: Final = {"events": 3.0, "ms": 500.0, "seconds": 1.0, "minutes": 5.0}
"""Values that are as good as none: three events where none are usual are no multiple of it; of other units, 1."""
_EXPLAINED: Final = "anomaly/explained"
"""Subject of the quiet while a rule says what is unusual about a visit."""


@dataclass(frozen=True, slots=True)
class SeverityLevel:
    """How far from the usual the leading feature of an anomaly of a severity must be.

    Attributes
    ----------
    ratio
        So many times the usual value, for features whose ratios matter.
    deviations
        So many deviations from the own usual value.
    share
        Distance from the usual value as a share of the feature's range, for all other features.
    """

    severity: Severity
    ratio: float
    deviations: float
    share: float

    def enough(self, feature: Feature) -> float:
        """The distance that a feature must have from its usual value, as `_distance` measures it."""
        if feature.unit == _DEVIATIONS:
            return self.deviations
        return log(self.ratio) if feature.scale == "log" else self.share


LEVELS: Final = (
    SeverityLevel(Severity.HIGH, ratio=8.0, deviations=6.0, share=0.7),
    SeverityLevel(Severity.MEDIUM, ratio=4.0, deviations=4.0, share=0.5),
    SeverityLevel(Severity.LOW, ratio=2.5, deviations=3.0, share=0.3),
)
"""How strong, beside how rare the pack asks for: what is rare among users who are all alike is no news."""


class AnomalyInsights:
    """Tells of alerts that are rare among users, strong, and in a direction that matters."""

    def __init__(self, plan: Plan, explain: Explainer, features: Sequence[Feature]) -> None:
        self._plan = plan
        self._explain = explain
        self._features = {feature.name: feature for feature in features}
        model = plan.parts.models.anomaly
        self._cool_down_min = model.cool_down_min if model else 0.0
        self._warm_up = model.warm_up if model else 0
        asked = (model.high_one_in, model.medium_one_in, model.low_one_in) if model else (1.0, 1.0, 1.0)
        self._one_in = dict(zip((level.severity for level in LEVELS), asked, strict=True))

    def note_explained(self, builder: InsightBuilder) -> None:
        """Note that a rule says what is unusual about the current visit: an anomaly would say it in other words."""
        change = builder.change
        until_ms = change.at_ms + self._plan.session_gap_ms
        change.state.history.be_quiet(_EXPLAINED, until_ms, now_ms=change.watermark_ms)
        builder.keep_history()

    def insights(self, builder: InsightBuilder, scores: Scores, row: int, alert: Alert) -> Iterator[Insight]:
        """Tell of one alert, unless it isn't worth reading, or its visit or its reason was told of already."""
        builder.keep_history()  # the model noted the alert in it
        if alert.held or builder.change.state.history.is_quiet(_EXPLAINED, builder.change.at_ms):
            return
        reasons = self._reasons(scores, row, alert)
        severity = self._severity(alert, reasons)
        if severity is None or not self._allows(builder, severity):
            return
        claims = tuple(map(self._claim, reasons))
        insight = builder.insight(
            InsightKind.ANOMALY,
            label=_LABEL,
            score=alert.score,
            confidence=1.0 - 1.0 / alert.one_in if alert.confirmed is None else alert.confirmed,
            severity=severity,
            explanation=Explanation(self._sentence(claims), reasons, claims),
            evidence=self._evidence(scores, row, alert),
        )
        values = array("f", scores.batch.values[row].tolist()).tobytes()
        builder.change.state.history.remember(
            DeliveredInsight(short_hash(insight.id), "", alert.score, alert.quantile, values)
        )
        yield insight

    def _reasons(self, scores: Scores, row: int, alert: Alert) -> tuple[Contribution, ...]:
        """Features that make up what is notable of the alert and say so by their values, strongest first."""
        if alert.notable_parts is None:
            return ()
        parts = self._explain.contributions(scores, row, alert.notable_parts)
        return tuple(part for part in parts if part.contribution > 0 and self._reaches(part, LEVELS[-1]))

    def _claim(self, part: Contribution) -> Claim:
        """What a reason compares: deviations are from the entity's own usual, of which 0 is none."""
        claim = self._explain.claim_of(part)
        if claim is None or claim.unit == _DEVIATIONS:
            assert part.value is not None, "a reason has a value"
            return self._explain.claim(part.feature, part.value, ">", 0.0, "own_usual")
        return claim

    def _severity(self, alert: Alert, reasons: Sequence[Contribution]) -> Severity | None:
        """How soon a person should look; None where it is not worth it."""
        if not reasons:
            return None
        rare = (level for level in LEVELS if alert.users_one_in >= self._one_in[level.severity])
        reached = (level for level in rare if self._reaches(reasons[0], level))
        return next((level.severity for level in reached), None)

    def _reaches(self, part: Contribution, level: SeverityLevel) -> bool:
        """Whether a value is as far from the usual as a level asks for, in a direction that matters."""
        feature, value = self._features[part.feature], part.value
        usual = part.peers if part.usual is None else part.usual
        if value is None or (usual is None and feature.unit != _DEVIATIONS):
            return False
        distance, enough = _distance(feature, value, usual or 0.0), level.enough(feature)
        above, below = feature.notable in ("high", "both"), feature.notable in ("low", "both")
        return (above and distance >= enough) or (below and distance <= -enough)

    def _allows(self, builder: InsightBuilder, severity: Severity) -> bool:
        """Whether the entity was not told of within the cool-down; one of high severity is told once more."""
        kind, minutes = InsightKind.ANOMALY, self._cool_down_min
        if severity is Severity.HIGH:
            builder.allows(kind, _LABEL, minutes)
            return builder.allows(kind, _LABEL, minutes, cause=severity)
        return builder.allows(kind, _LABEL, minutes)

    def _sentence(self, claims: Sequence[Claim]) -> str:
        """The two strongest reasons; for this entity where the first is about its own habits, else among all."""
        texts = self._plan.pack.texts
        sentence = texts.anomaly if claims[0].bound_is == "own_usual" else texts.anomaly_among
        return sentence.format(entity=texts.entity_word(self._plan.entity.name), why=self._explain.say_all(claims[:2]))

    def _evidence(self, scores: Scores, row: int, alert: Alert) -> dict[str, object]:
        context = scores.batch.context[row]
        return {
            "threshold": alert.threshold,
            "one_in": round(alert.one_in),
            "users_one_in": round(alert.users_one_in),
            "notable": alert.notable,
            "detectors": {name: round(share, 6) for name, share in alert.shares.items() if share <= _NAMED},
            "n_seen": alert.n_seen,
            "warm_up": {"events": min(alert.n_seen, self._warm_up), "of": self._warm_up, "user_days": alert.users_seen},
            "events_seen": context.events,
            "confirmed": alert.confirmed,
        }


def _distance(feature: Feature, value: float, usual: float) -> float:
    """How far a value is from the usual one: in deviations, as the logarithm of a ratio, or as a share of the range."""
    if feature.unit == _DEVIATIONS:
        return value
    if feature.scale == "log":
        least = _LEAST.get(feature.unit, 1.0)
        return log(max(value, least) / max(usual, least))
    return (value - usual) / (feature.high - feature.low)
