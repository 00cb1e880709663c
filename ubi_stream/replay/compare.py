"""`ubi replay --shadow`: events that were, through the pipeline here, and what it says beside what is live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from ubi_stream.clock import Clock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.effects import Effects
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.kafka.transport import chunks_by_time
from ubi_stream.mappings.live import decoder_of
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.live import TopicReader, as_record, insights_in_postgres, insights_on_topic, position_window
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.replay.shadow import ComparedCounts, ComparedSpan, Shadow, TimeWindow, comparable, row_of
from ubi_stream.settings import Settings
from ubi_stream.sinks.base import InsightRow

Live = Literal["topic", "postgres"]
_KNOWN_HOMES: Final = 65_536


class ShadowOptions(msgspec.Struct, frozen=True):
    """What is replayed and compared.

    Attributes
    ----------
    file, mapping
        A file of events instead of the events topic.
    from_ms, to_ms
        What is compared. Of the topic: insights caused by events that arrived then. Of a file: insights about then;
        without a limit the times of its first and last event.
    live
        Where the insights are that the workers told.
    """

    live: Live
    from_ms: int | None = None
    to_ms: int | None = None
    file: Path | None = None
    mapping: str = "own"


class ShadowReport(msgspec.Struct, frozen=True):
    """What would be another if the shadow's pack were live; counts by kind of insight."""

    pack: str
    pack_version: int
    live: Live
    events: int
    insights: ComparedCounts
    kinds: dict[str, ComparedCounts]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether both say the same."""
        return self.insights.same == self.insights.live == self.insights.shadow


async def run_shadow(
    options: ShadowOptions,
    settings: Settings,
    pack: Pack,
    out: BinaryIO | None,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda _events: None,
) -> ShadowReport:
    """Replay and compare; nothing is written but differences to `out`, one JSON object a line.

    Raises
    ------
    ConfigError, TopicLayoutError, BrokerUnavailableError, DatabaseUnavailableError
        The file, the topics or the database are not there, or not those of the workers.
    """
    started_s = clock.monotonic_s()
    with Shadow() as shadow:
        if options.file is None:
            events, window = await _replay_topic(shadow, options, settings, pack, clock, on_progress)
        else:
            events, window = _replay_file(shadow, options, settings, pack, clock, on_progress)
        source = insights_on_topic if options.live == "topic" else insights_in_postgres
        await _compare(shadow, window, source(settings, pack.name), out)
        kinds = dict(sorted(shadow.kinds.items()))
    return ShadowReport(
        pack=pack.name,
        pack_version=pack.version,
        live=options.live,
        events=events,
        insights=_total(kinds),
        kinds=kinds,
        seconds=round(clock.monotonic_s() - started_s, 3),
    )


def describe(report: ShadowReport) -> str:
    """The report for a person."""
    total = report.insights
    lines = [
        f"{report.events:,} events through pack {report.pack} version {report.pack_version} in {report.seconds:.1f} s: "
        f"{total.shadow:,} insights, {total.live:,} are live ({report.live}); {total.same:,} are the same"
    ]
    for kind, counts in report.kinds.items():
        if counts.same == counts.live == counts.shadow:
            continue
        fields = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.changed_fields.items()))
        changed = f"{counts.changed:,} changed" + (f" ({fields})" if fields else "")
        lines.append(f"  {kind}: {counts.missing:,} missing, {counts.additional:,} additional, {changed}")
    return "\n".join(lines)


def parse_time(text: str) -> int:
    """Unix milliseconds of an ISO 8601 time; UTC where it names no zone.

    >>> parse_time("2026-11-21T10:00:00") == parse_time("2026-11-21T11:00:00+01:00")
    True

    Raises
    ------
    ValueError
        It is none.
    """
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


async def _replay_topic(
    shadow: Shadow,
    options: ShadowOptions,
    settings: Settings,
    pack: Pack,
    clock: Clock,
    on_progress: Callable[[int], None],
) -> tuple[int, ComparedSpan]:
    """Everything that the topic still has up to the end of the window: what came before it makes states and models."""
    owner_partition = lru_cache(_KNOWN_HOMES)(partial(partition_of, partitions=settings.partitions))
    run = OfflineRun(
        pack, settings, now_ms=clock.now_ms(), owner_partition=owner_partition, decode=decoder_of(settings)
    )
    events = 0
    async with TopicReader(settings) as reader:
        first, end = await reader.stretch(settings.events_topic, options.from_ms, options.to_ms)
        window = position_window(settings.events_topic, first, end)
        beginning, _ = await reader.stretch(settings.events_topic, None, None)
        async for tp, found in reader.records(beginning, end):
            for _, chunk in chunks_by_time({tp: found}, settings.chunk_max_events):
                _keep(shadow, window, run.run_batch(map(as_record, chunk)))
                events += len(chunk)
                on_progress(events)
    return events, window


def _replay_file(
    shadow: Shadow,
    options: ShadowOptions,
    settings: Settings,
    pack: Pack,
    clock: Clock,
    on_progress: Callable[[int], None],
) -> tuple[int, ComparedSpan]:
    """All of the file: what is about a time outside of the window is left out when it is told."""
    assert options.file is not None, "there is a file"
    run = OfflineRun(pack, settings, now_ms=clock.now_ms())
    times = _TimeSpan()
    with ReplaySource(options.file, options.mapping, key=settings.hash_key) as source:
        asked = TimeWindow(options.from_ms, options.to_ms)
        _keep(shadow, asked, run.run(times.noting(source, on_progress)))
    # Without limits: not what is live of the days before and after the file.
    window = TimeWindow(
        times.first_ms if options.from_ms is None else options.from_ms,
        times.last_ms + 1 if options.to_ms is None else options.to_ms,
    )
    return times.events, window


class _TimeSpan:
    """Counts events, and notes the first and the last time among them."""

    def __init__(self) -> None:
        self.events = 0
        self.first_ms = self.last_ms = 0

    def noting(self, records: Iterable[ProducerRecord], on_progress: Callable[[int], None]) -> Iterator[ProducerRecord]:
        """The records as they are."""
        for record in records:
            self.events += 1
            on_progress(self.events)
            if record.time_ms is not None:
                self.first_ms = min(self.first_ms or record.time_ms, record.time_ms)
                self.last_ms = max(self.last_ms, record.time_ms)
            yield record


def _keep(shadow: Shadow, window: ComparedSpan, effects: Iterator[Effects]) -> None:
    for effect in effects:
        for insight in effect.insights:
            row = row_of(insight)
            if row in window:
                shadow.add(comparable(row))


async def _compare(shadow: Shadow, window: ComparedSpan, live: AsyncIterator[InsightRow], out: BinaryIO | None) -> None:
    def write(difference: object) -> None:
        if out is not None and difference is not None:
            out.write(msgspec.json.encode(difference) + b"\n")

    async for row in live:
        if row in window:
            write(shadow.compare(comparable(row)))
    for difference in shadow.finish():
        write(difference)


def _total(kinds: dict[str, ComparedCounts]) -> ComparedCounts:
    total = ComparedCounts()
    for counts in kinds.values():
        for name in ("live", "shadow", "same", "changed", "missing", "additional"):
            setattr(total, name, getattr(total, name) + getattr(counts, name))
        for name, count in counts.changed_fields.items():
            total.changed_fields[name] = total.changed_fields.get(name, 0) + count
    return total
