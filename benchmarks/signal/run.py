"""Runs the product on a stream: the offline pipeline with the shipped pack and the default settings."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.signal.streams import Stream
from ubi_stream.insights.model import Insight, Severity
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.offline import OfflineRun, partition_of
from ubi_stream.settings import Settings

POPULATION = "population"
"""Entity of an insight about everybody."""
LEVELS = (Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH)


@dataclass(frozen=True, slots=True)
class Found:
    """An insight, and what a reader knows of it at once.

    Attributes
    ----------
    position
        Of the record that caused it: so far the stream had come.
    at_ms
        Arrival of that record, Unix milliseconds.
    level
        Severity: 0 info, 1 low, 2 medium, 3 high.
    """

    insight: Insight
    position: int
    at_ms: int
    level: int

    @property
    def is_about_all(self) -> bool:
        """Whether it is about everybody."""
        return self.insight.entity == POPULATION

    @property
    def text(self) -> str:
        """Its kind, what it is called and what it says, in lower case."""
        return f"{self.insight.kind.value} {self.insight.label}: {self.insight.explanation.summary}".lower()

    @property
    def matters(self) -> bool:
        """Whether somebody should look: medium or high."""
        return self.level >= LEVELS.index(Severity.MEDIUM)


def run(stream: Stream, *, partitions: int | None = None, pack: str | None = None) -> list[Found]:
    """Insights about a stream in the order in which they come; `partitions` and `pack` are the product's default if
    None.

    An insight that several partitions have under one id is one.
    """
    given = {"partitions": partitions, "pack": pack}
    settings = Settings.model_validate({name: value for name, value in given.items() if value is not None})
    end_ms = max(stream.arrivals)
    positions: list[list[int]] = [[] for _ in range(settings.partitions)]
    for position, record in enumerate(stream.records):
        positions[partition_of(record.key, position, settings.partitions)].append(position)
    offline = OfflineRun(load_pack(settings.pack), settings, now_ms=end_ms)
    found: dict[str, Found] = {}
    for effects in offline.run(stream.records):
        for insight in effects.insights:
            position = positions[insight.source.partition][insight.source.offset]
            level = LEVELS.index(insight.severity)
            found.setdefault(insight.id, Found(insight, position, stream.arrivals[position], level))
    return sorted(found.values(), key=lambda one: one.position)
