"""Many entities that are unusual at once: one insight for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import MINUTE_MS, Teller
from ubi_stream.insights.words import short
from ubi_stream.models.anomaly_rate import Wave
from ubi_stream.packs.plan import Plan

LABEL: Final = "population"
LABEL_OVER: Final = "population_over"
_LEADS: Final = 5
"""Features in common that are told; more than a person reads."""


class Waves:
    """Tells of a jump of the alert rate when it begins, and what it came to when it is over."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain

    def tell(self, teller: Teller, wave: Wave) -> Iterator[Insight]:
        """Tell of a wave that begins or is over with the teller's moment."""
        label = LABEL if wave.begins else LABEL_OVER
        parts = tuple(Contribution(name, None, share) for name, share in wave.leads[:_LEADS])
        yield teller.insight(
            InsightKind.ANOMALY,
            label=label,
            severity=Severity.HIGH if wave.begins else Severity.INFO,
            explanation=Explanation(self._sentence(teller, wave), parts),
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
        )

    def _sentence(self, teller: Teller, wave: Wave) -> str:
        texts, model = self._plan.pack.texts, self._plan.pack.models.anomaly
        entity = texts.entity_word(self._plan.entity.name)
        if not wave.begins:
            minutes = short((teller.moment.watermark_ms - wave.since_ms) / MINUTE_MS)
            return texts.population_over.format(count=wave.entities, entity=entity, minutes=minutes, held=wave.held)
        common = [
            texts.in_common.format(feature=self._explain.title(name), share=f"{100 * share:.0f} %")
            for name, share in wave.leads[:2]
        ]
        return texts.population.format(
            count=wave.entities,
            entity=entity,
            minutes=short(model.population.window_min if model else 0.0),
            factor=short(wave.factor),
            why=texts.separator.join(common),
        )
