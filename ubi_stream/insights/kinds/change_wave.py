"""Many users who changed their habits at once: one insight for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import compared
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words
from ubi_stream.packs.plan import Plan
from ubi_stream.rules.waves import RuleWave

_INCIDENT_MIN: Final = 7 * 1440.0
"""Partitions that see such a wave within a week speak of the same."""


class ChangeWaveInsights:
    """Reports a wave of changes when it begins. It ends as weeks go by, which is no news."""

    def __init__(self, plan: Plan) -> None:
        self._texts = plan.pack.texts

    def insights(self, builder: InsightBuilder, wave: RuleWave) -> Iterator[Insight]:
        """Report a wave that begins with the teller's moment."""
        if not wave.begins:
            return
        texts, label = self._texts, f"rate_{wave.rule}"
        sentence = texts.change_wave_up if wave.rule == "up" else texts.change_wave_down
        claims = (
            compared(label, wave.share, "share", wave.usual, "own_usual"),
            compared("users", wave.met, "entities", wave.entities, "peers"),
            compared("factor", wave.value, "times", 1.0, "own_usual"),
        )
        yield builder.insight(
            InsightKind.BEHAVIOUR_CHANGE,
            label=label,
            severity=Severity.MEDIUM,
            explanation=Explanation(
                sentence.format(
                    count=wave.met,
                    of=wave.entities,
                    usual=in_words(wave.usual, "share", texts),
                    median=in_words(wave.value, "times", texts),
                ),
                (Contribution(label, wave.share, wave.share - wave.usual, usual=wave.usual),),
                claims,
            ),
            window=label,
            evidence={
                "since_ms": wave.since_ms,
                "met": wave.met,
                "entities": wave.entities,
                "usual_share": wave.usual,
                "factor": wave.value,
            },
            population=True,
            incident=builder.incident(label, _INCIDENT_MIN, wave.since_ms),
        )
