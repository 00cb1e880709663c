"""Runs the product on a stream: the offline pipeline with the shipped pack and the default settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from benchmarks.signal.streams import Stream
from ubi_stream.insights.model import Insight, Severity
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.replay.offline import OfflineRun, partition_of
from ubi_stream.settings import Settings
from ubi_stream.web.risk import risk_of

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


@dataclass(frozen=True, slots=True)
class Result:
    """What the product makes of a stream.

    Attributes
    ----------
    found
        Insights in the order in which they come. One that several partitions have under one id is one.
    nocturnal
        Of planted users: since when the risk level of their page says that they are up at night, Unix milliseconds.
    """

    found: list[Found]
    nocturnal: dict[str, int]


def run(stream: Stream, *, partitions: int | None = None, pack: str | None = None) -> Result:
    """Run the product on a stream; `partitions` and `pack` are its default if None."""
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
    return Result(sorted(found.values(), key=lambda one: one.position), _nocturnal(stream, offline, settings))


def _nocturnal(stream: Stream, offline: OfflineRun, settings: Settings) -> dict[str, int]:
    plan = compile_plan(load_pack(settings.pack), "user")
    since: dict[str, int] = {}
    for user_id in {planted.user_id for planted in stream.planted}:
        partition = offline.partition("user", partition_of(user_id.encode(), 0, settings.partitions))
        live = partition.store.get(user_id)
        risk = None if live is None else risk_of(plan, live.state)
        for dimension in risk["dimensions"] if risk else ():
            if dimension["name"] == "nocturnal" and dimension["holds"]:
                since[user_id] = round(datetime.fromisoformat(dimension["since"]).timestamp() * 1000)
    return since
