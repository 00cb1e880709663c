"""Many entities that are unusual at once: one insight for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.insights.builder import MINUTE_MS, InsightBuilder
from ubi_stream.insights.claims import Claim, compared
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words, short
from ubi_stream.models.anomaly.alert_rate import Wave
from ubi_stream.packs.plan import Plan

LABEL: Final = "population"
LABEL_OVER: Final = "population_over"
_LEADS: Final = 5
"""Features in common that are told; more than a person reads."""


INCIDENT_MIN: Final = 360.0
"""Minutes of event time in which partitions name a wave the same, if it has the same cause."""


class WaveInsights:
    """Tells of a jump of the alert rate when it begins, and what it came to when it is over."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain

    def insights(self, builder: InsightBuilder, wave: Wave) -> Iterator[Insight]:
        """Tell of a wave that begins or is over with the teller's moment."""
        label = LABEL if wave.begins else LABEL_OVER
        parts = tuple(Contribution(name, None, share) for name, share in wave.leads[:_LEADS])
        summary, claims = self._begins(wave) if wave.begins else self._is_over(builder, wave)
        yield builder.insight(
            InsightKind.ANOMALY,
            label=label,
            severity=Severity.HIGH if wave.begins else Severity.INFO,
            explanation=Explanation(summary, parts, claims),
            window=label,
            evidence={
                "since_ms": wave.since_ms,
                "entities": wave.entities,
                "events": wave.rows,
                "asked": wave.asked,
                "factor": round(wave.factor, 2),
                "held_back": wave.held,
                "features": {name: round(share, 3) for name, share in wave.leads[:_LEADS]},
            },
            population=True,
            incident=builder.incident(label, INCIDENT_MIN, wave.since_ms),
        )

    def _begins(self, wave: Wave) -> tuple[str, tuple[Claim, ...]]:
        texts, model = self._plan.pack.texts, self._plan.parts.models.anomaly
        assert model is not None, "there is no wave of alerts without the model"
        settings, leads = model.population, wave.leads[:2]
        common = [
            texts.in_common.format(feature=self._explain.title(name), share=in_words(share, "share", texts))
            for name, share in leads
        ]
        summary = texts.population.format(
            count=wave.entities,
            entity=texts.entity_word(self._plan.entity.name),
            minutes=short(settings.window_min),
            factor=short(wave.factor),
            why=texts.separator.join(common),
        )
        claims = (
            compared("entities", wave.entities, "entities", wave.asked * wave.rows, "own_usual"),
            compared("factor", wave.factor, "times", settings.factor, "threshold"),
            compared("window", settings.window_min, "minutes", settings.window_min, "threshold"),
            *(compared(name, share, "share", 0.0, "peers") for name, share in leads),
        )
        return summary, claims

    def _is_over(self, builder: InsightBuilder, wave: Wave) -> tuple[str, tuple[Claim, ...]]:
        texts, minutes = self._plan.pack.texts, (builder.change.watermark_ms - wave.since_ms) / MINUTE_MS
        summary = texts.population_over.format(
            count=wave.entities,
            entity=texts.entity_word(self._plan.entity.name),
            minutes=short(minutes),
            held=wave.held,
        )
        claims = (
            compared("entities", wave.entities, "entities", 0.0, "peers"),
            compared("held_back", wave.held, "alerts", 0.0, "peers"),
            compared("duration_min", minutes, "minutes", 0.0, "own_usual"),
        )
        return summary, claims
