"""Many users who meet a rule at once: one insight for all of them, and one when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.features.registry import HOUR_OF_DAY, Feature
from ubi_stream.insights.builder import MINUTE_MS, InsightBuilder
from ubi_stream.insights.claims import Claim, compared
from ubi_stream.insights.kinds.drift import hour_of
from ubi_stream.insights.kinds.population import INCIDENT_MIN
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words, short
from ubi_stream.models.drift.verdict import DriftVerdict
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import RiskRule
from ubi_stream.rules.waves import RuleWave

_OVER: Final = "_over"
_CONSEQUENCE_MIN: Final = 1440.0
"""A day, in which users who changed are taken for the wave's consequence."""


class RuleWaveInsights:
    """Reports a wave of a rule when it begins, and what it came to when it is over."""

    def __init__(self, plan: Plan, features: tuple[Feature, ...]) -> None:
        self._plan = plan
        self._rules = {rule.name: rule for rule in plan.parts.rules}
        self._units = {feature.name: feature.unit for feature in features}

    def insights(self, builder: InsightBuilder, wave: RuleWave) -> Iterator[Insight]:
        """Report a wave that begins or is over with the teller's moment."""
        rule = self._rules[wave.rule]
        label = rule.name if wave.begins else f"{rule.name}{_OVER}"
        builder.population_allows(InsightKind.DRIFT, DriftVerdict.USERS_CHANGED.value, _CONSEQUENCE_MIN)
        summary, claims = self._begins(rule, wave) if wave.begins else self._is_over(rule, wave)
        part = Contribution(rule.wave_condition.feature, wave.value, wave.share, usual=wave.usual)
        yield builder.insight(
            InsightKind.RISK,
            label=label,
            severity=Severity.HIGH if wave.begins else Severity.INFO,
            explanation=Explanation(summary, (part,) if wave.begins else (), claims),
            window=label,
            evidence={
                "rule": rule.name,
                "since_ms": wave.since_ms,
                "until_ms": wave.until_ms,
                "met": wave.met,
                "entities": wave.entities,
                "usual_share": wave.usual,
                "held_back": wave.held,
            },
            population=True,
            incident=builder.incident(label, INCIDENT_MIN, wave.since_ms),
        )

    def _begins(self, rule: RiskRule, wave: RuleWave) -> tuple[str, tuple[Claim, ...]]:
        texts, condition = self._plan.pack.texts, rule.wave_condition
        unit = self._units[condition.feature]
        statement = (rule.together or "").format(
            count=wave.met,
            of=wave.entities,
            usual=in_words(wave.usual, "share", texts),
            median=in_words(wave.value, unit, texts),
            bound=in_words(condition.value, unit, texts),
        )
        hour = hour_of(wave.since_ms)
        claims = (
            compared(rule.name, wave.share, "share", wave.usual, "own_usual"),
            compared("users", wave.met, "entities", wave.entities, "peers"),
            compared(condition.feature, wave.value, unit, condition.value, "threshold"),
            compared("since", hour, HOUR_OF_DAY, hour, "own_usual"),
        )
        return texts.since.format(statement=statement, time=in_words(hour, HOUR_OF_DAY, texts)), claims

    def _is_over(self, rule: RiskRule, wave: RuleWave) -> tuple[str, tuple[Claim, ...]]:
        minutes = (wave.until_ms - wave.since_ms) / MINUTE_MS
        summary = self._plan.pack.texts.wave_over.format(
            rule=rule.name.replace("_", " "), minutes=short(minutes), count=wave.met, of=wave.entities, held=wave.held
        )
        claims = (
            compared("duration_min", minutes, "minutes", 0.0, "own_usual"),
            compared("users", wave.met, "entities", wave.entities, "peers"),
            compared("held_back", wave.held, "alerts", 0.0, "peers"),
        )
        return summary, claims
