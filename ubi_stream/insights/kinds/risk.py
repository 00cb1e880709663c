"""Rules of the pack that are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import exp, isnan
from typing import Final

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import Quantity, RiskRule
from ubi_stream.packs.texts import Texts
from ubi_stream.rules.conditions import Conditions
from ubi_stream.rules.risks import Assessed, Met, Rules
from ubi_stream.state.local_time import utc_offset_min
from ubi_stream.state.risks import HABIT_DAYS

_STEEPNESS: Final = 12.0
"""A rule that is exceeded by a tenth of its features' ranges has three times the odds of one that is just met."""
_MAX_CONFIDENCE: Final = 0.99
_HABIT_COOL_DOWN_MIN: Final = 7 * 1440.0
"""What is usual for a user is reported once a week."""
_COMMON_COOL_DOWN_MIN: Final = 30 * 1440.0
"""What is common is reported once a month of each user."""
_MONEY: Final = "money"
_ALONE: Final = "alone"


class RiskInsights:
    """Reports users who meet a rule."""

    def __init__(self, plan: Plan, rules: Rules, features: Sequence[Feature], rule_features: Sequence[Feature]) -> None:
        self._plan = plan
        self._rules = rules
        self._names = tuple(feature.name for feature in rule_features)
        self._features = {feature.name: feature for feature in rule_features}
        self._columns = {feature.name: column for column, feature in enumerate(features)}
        self._texts: dict[str, Texts] = {}

    def insights(self, builder: InsightBuilder, scores: Scores, row: int, assessed: Assessed) -> Iterator[Insight]:
        """Report the rules that are met at a row, unless another explains the visit on its own."""
        context = scores.batch.context[row]
        for met in assessed.met.get(row, ()):
            rule = self._rules.rules[met.rule]
            if row in assessed.explained and not rule.alone:
                continue
            # Of several rules that explain a visit on their own, the first is enough.
            subject = _ALONE if rule.alone else rule.name
            cause = {"user": "", "visit": str(context.visit), "day": str(context.day)}[rule.cause]
            cool_down_min = rule.cool_down_min
            if met.is_common and rule.when_common == "context" and not met.never_days:
                continue
            if met.habit_days:
                cause, cool_down_min = "habit", max(cool_down_min, _HABIT_COOL_DOWN_MIN)
            elif met.is_common:
                cause, cool_down_min = "common", max(cool_down_min, _COMMON_COOL_DOWN_MIN)
            # What a wave tells of all begins the cool-down too: it is not told late.
            allowed = builder.allows(InsightKind.RISK, subject, cool_down_min, cause=cause)
            if allowed and (row, met.rule) not in scores.held:
                yield self._risk(builder, scores, row, met)

    def is_serious(self, met: Sequence[Met]) -> bool:
        """Whether one of the rules met is worth a look, and neither common nor usual for the user."""
        return any(
            self._rules.rules[one.rule].severity in ("medium", "high") and not one.is_common and not one.habit_days
            for one in met
        )

    def _risk(self, builder: InsightBuilder, scores: Scores, row: int, met: Met) -> Insight:
        rule, values = self._rules.rules[met.rule], scores.batch.checked[row]
        conditions = self._rules.conditions[met.rule][met.way]
        distances = conditions.distances(values)
        claims = list(self._claims(conditions, values))
        texts = self._texts_of(builder)
        summary = rule.summary_of(met.way).format(clock=self._clock(builder, texts), **_quantities(claims, texts))
        typical = self._typical(scores, row, rule, conditions) if met.peers_known else None
        summary = self._in_context(rule, met, summary, claims, texts)
        severity = Severity(rule.severity)
        if (met.is_common or met.habit_days or typical is not None) and severity is not Severity.INFO:
            severity = Severity.LOW
        margin = sum(max(0.0, distance) for _, distance in distances) / len(distances)
        return builder.insight(
            InsightKind.RISK,
            label=rule.name,
            score=min(1.0, 0.5 + margin),
            confidence=_confidence(margin, met.common_share, met.ordinary_share),
            severity=severity,
            explanation=Explanation(summary, self._contributions(scores, row, distances), tuple(claims)),
            window=rule.name,
            evidence={
                "conditions": [f"{one.feature} {one.op} {one.value:g}" for one in conditions.items],
                "common_share": round(met.common_share, 6),
                "common": met.is_common,
                "typical": typical,
                "habit_days": met.habit_days,
                "never_days": met.never_days,
                "recommendations": _recommended(rule),
            },
        )

    def _in_context(self, rule: RiskRule, met: Met, summary: str, claims: list[Claim], texts: Texts) -> str:
        """The sentence, and how usual that is: for this user, else among all; with the claims of it."""
        days = f"days_of_{rule.name}"
        if met.habit_days:
            claims.append(Claim(days, met.habit_days, "days", ">=", HABIT_DAYS, "own_usual"))
            entity = texts.entity_word(self._plan.entity.name)
            return texts.rule_usual.format(
                statement=summary, days=in_words(met.habit_days, "days", texts), entity=entity
            )
        if met.never_days:
            claims.append(Claim(days, 0.0, "days", "<", met.never_days, "own_usual"))
            return texts.rule_never.format(statement=summary, days=in_words(met.never_days, "days", texts))
        share = in_words(met.common_share, "share", texts)
        if met.is_common and met.peers_known and share != texts.hardly_any:
            claims.append(Claim("common_share", met.common_share, "share", ">", met.ordinary_share, "peers"))
            return texts.rule_common.format(statement=summary, share=share)
        return summary

    def _typical(self, scores: Scores, row: int, rule: RiskRule, conditions: Conditions) -> float | None:
        """What is typical of the peers where the user's value is not far beyond it; else None."""
        beyond = rule.beyond_peers
        if beyond is None:
            return None
        typical = self._known(scores.typical_at(row), beyond.feature)
        value = scores.batch.checked.item(row, conditions.columns[-1])
        return typical if typical is not None and value < beyond.times * typical else None

    def _claims(self, conditions: Conditions, values: Matrix) -> Iterator[Claim]:
        """The conditions as comparisons with the pack's thresholds."""
        for one, column in zip(conditions.items, conditions.columns, strict=True):
            unit = self._features[one.feature].unit
            yield Claim(one.feature, _number(values.item(column)), unit, one.op, one.value, "threshold")

    def _clock(self, builder: InsightBuilder, texts: Texts) -> str:
        """Whose clock a time of day is read from."""
        event, zone = builder.change.event, self._plan.default_timezone
        if event is None or zone is None or utc_offset_min(event.event_time_ms, event.context) is not None:
            return texts.clock_of_user
        return texts.clock_of_pack.format(zone=zone)

    def _contributions(
        self, scores: Scores, row: int, distances: Sequence[tuple[int, float]]
    ) -> tuple[Contribution, ...]:
        """The features of the conditions; each contributes how far it is past its threshold."""
        batch, parts = scores.batch, dict[str, tuple[float, float]]()
        for column, distance in distances:
            name = self._names[column]
            parts[name] = (batch.checked.item(row, column), min(distance, parts.get(name, (0.0, distance))[1]))
        return tuple(
            Contribution(
                name,
                _number(value),
                part,
                usual=self._known(batch.usual[row], name),
                peers=self._known(scores.usual_at(row), name),
            )
            for name, (value, part) in parts.items()
        )

    def _known(self, values: Matrix, name: str) -> float | None:
        """The value of a feature that the models look at too; None of others."""
        column = self._columns.get(name)
        return None if column is None else _number(values.item(column))

    def _texts_of(self, builder: InsightBuilder) -> Texts:
        """The pack's words, with the currency of the event, else of the pack, as the unit of money."""
        texts, event = self._plan.pack.texts, builder.change.event
        currency = None if event is None else event.properties.get("currency", event.context.get("currency"))
        if not isinstance(currency, str) or not currency.isalpha() or len(currency) != len("USD"):
            currency = self._plan.currency
        if currency is None:
            return texts
        if currency not in self._texts:
            units = {**texts.units, _MONEY: currency}
            self._texts[currency] = texts.model_copy(update={"units": units})
        return self._texts[currency]


def _confidence(margin: float, common_share: float, common_above: float) -> float:
    """How likely it is that who meets a rule is not just one of many ordinary users.

    The odds are even where the rule is met without any margin by as many users as are taken for ordinary. They grow as
    the rule gets rarer, and with the margin.
    """
    odds = common_above / max(common_share, 1e-6) * exp(_STEEPNESS * margin)
    return min(_MAX_CONFIDENCE, odds / (1.0 + odds))


def _quantities(claims: Sequence[Claim], texts: Texts) -> Mapping[str, Quantity]:
    """What a summary may be filled in with; of several conditions on one feature the last has the bound."""
    bounds: dict[str, list[float]] = {}
    for claim in claims:
        bounds.setdefault(claim.feature, []).append(claim.bound)
    return {
        claim.feature: Quantity(
            0.0 if claim.value is None else claim.value,
            texts.unknown if claim.value is None else in_words(claim.value, claim.unit, texts),
            {
                "bound": in_words(claim.bound, claim.unit, texts),
                "low": in_words(min(bounds[claim.feature]), claim.unit, texts),
                "high": in_words(max(bounds[claim.feature]), claim.unit, texts),
            },
        )
        for claim in claims
    }


def _recommended(rule: RiskRule) -> list[dict[str, object]]:
    return [] if rule.recommendation is None else [rule.recommendation.model_dump()]


def _number(value: float) -> float | None:
    return None if isnan(value) else value
