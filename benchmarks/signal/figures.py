"""How much is reported, how loud, how precise, how much alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.signal.judge import alerted_days, by_user, concerns_planted
from benchmarks.signal.oracle import Oracle
from benchmarks.signal.run import Found
from benchmarks.signal.shop import CATEGORIES
from benchmarks.signal.streams import Stream
from ubi_stream.insights.claims import holds, unclaimed_numbers

_QUOTED: Final = re.compile('[“„"][^”“"]*[”“"]')
_NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?")
_TIMES: Final = re.compile(r"\b(milliseconds?|ms|seconds?|minutes?|hours?|days?)\b")
_NAMES: Final = re.compile(r"\b(?:[0-9a-f]{12}|" + "|".join(CATEGORIES) + r")\b")
"""Users and categories."""


@dataclass(slots=True)
class Figures:
    """Counts over one stream or several.

    Attributes
    ----------
    events, user_days
        What was looked at: events; days on which a user was active, summed over users.
    alerted
        Those of the user days with an insight of medium or high severity.
    matter, concerned
        Insights of medium or high severity; those of them that concern something planted.
    wrong_claims, unclaimed
        Claims that are not true of their own numbers; sentences with a number that no claim has.
    checked_claims, false_claims
        Claims that were computed again from the events; those with another value.
    noise
        Sentences of those that don't.
    """

    events: int = 0
    user_days: int = 0
    alerted: int = 0
    insights: int = 0
    matter: int = 0
    concerned: int = 0
    about_all: int = 0
    wrong_claims: int = 0
    unclaimed: int = 0
    checked_claims: int = 0
    false_claims: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    confidences: Counter[float | None] = field(default_factory=Counter)
    noise: list[str] = field(default_factory=list)
    noise_labels: Counter[str] = field(default_factory=Counter)
    broken_sentences: list[str] = field(default_factory=list)

    @property
    def per_1000_events(self) -> float:
        """Insights per 1,000 events."""
        return 1000 * self.insights / max(1, self.events)

    @property
    def alerted_share(self) -> float:
        """Share of active users alerted a day, by medium or high."""
        return self.alerted / max(1, self.user_days)

    @property
    def precision(self) -> float | None:
        """Share of medium and high that concerns something planted."""
        return self.concerned / self.matter if self.matter else None

    @property
    def commonest(self) -> tuple[str, float]:
        """The commonest sentence without names and numbers, and its share."""
        if not self.shapes:
            return "", 0.0
        shape, count = self.shapes.most_common(1)[0]
        return shape, count / self.insights

    @property
    def commonest_confidence(self) -> float:
        """Share that the commonest confidence has among all that have one."""
        given = {value: count for value, count in self.confidences.items() if value is not None}
        return max(given.values()) / sum(given.values()) if given else 0.0

    def add(self, other: Figures) -> None:
        """Add another's counts."""
        for name in (
            "events", "user_days", "alerted", "insights", "matter", "concerned", "about_all", "wrong_claims",
            "unclaimed", "checked_claims", "false_claims",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("kinds", "levels", "shapes", "confidences", "noise_labels"):
            getattr(self, name).update(getattr(other, name))
        self.noise.extend(other.noise)
        self.broken_sentences.extend(other.broken_sentences)


def figures_of(stream: Stream, found: Sequence[Found], titles: dict[str, str]) -> Figures:
    """Count what was reported about a stream."""
    result = Figures(events=len(stream.records), user_days=len(stream.active))
    planted = by_user(stream)
    result.alerted = len(alerted_days(found) & stream.active)
    oracle = Oracle(stream)
    for one in found:
        count(result, one, titles)
        for claim, value in oracle.wrong(one):
            result.false_claims += 1
            result.broken_sentences.append(
                f"{claim.feature} {claim.value:g}, not {value:g}: {one.insight.explanation.summary}"
            )
        if not one.matters:
            continue
        result.matter += 1
        if concerns_planted(stream, one, planted):
            result.concerned += 1
        else:
            insight = one.insight
            name = f"{insight.kind.value}/{insight.label}/{insight.severity.value}"
            result.noise_labels[name] += 1
            result.noise.append(f"{name}: {insight.explanation.summary}")
    result.checked_claims = oracle.checked
    return result


def count(result: Figures, one: Found, titles: dict[str, str]) -> None:
    """Count one insight: kind, severity, sentence, confidence, claims."""
    insight = one.insight
    result.insights += 1
    result.about_all += one.is_about_all
    result.kinds[insight.kind.value] += 1
    result.levels[insight.severity.value] += 1
    result.shapes[shape_of(insight.explanation.summary)] += 1
    result.confidences[None if insight.confidence is None else round(insight.confidence, 3)] += 1
    claims = insight.explanation.claims
    for claim in claims:
        if not holds(claim):
            result.wrong_claims += 1
            result.broken_sentences.append(
                f"{claim.feature}: {claim.value:g} {claim.op} {claim.bound:g}? {insight.explanation.summary}"
            )
    if unclaimed_numbers(insight.explanation.summary, claims, titles=titles):
        result.unclaimed += 1
        result.broken_sentences.append(f"{insight.kind.value} {insight.label}: {insight.explanation.summary}")


def shape_of(summary: str) -> str:
    """A sentence without names and numbers.

    >>> shape_of("Spending 41.50 EUR in “lamps”, usually 12")
    'Spending # EUR in “…”, usually #'
    """
    return _TIMES.sub("time", _NUMBER.sub("#", _NAMES.sub("…", _QUOTED.sub("“…”", summary))))
