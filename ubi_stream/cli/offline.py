"""`ubi replay --offline`: the pipeline in this process, a file in, insights as JSON Lines out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import msgspec

from ubi_stream.cli.console import counted
from ubi_stream.clock import Clock
from ubi_stream.insights.encode import encode_insight
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.settings import Settings

_SAY_EVERY = 1_000


class OfflineSummary(msgspec.Struct, frozen=True):
    """What became of a file's events: `events` = `accepted` + `dead_letters` + `duplicates` + `dropped`."""

    events: int
    accepted: int
    dead_letters: int
    duplicates: int
    dropped: int
    late: int
    users: int
    insights: int
    insights_by_kind: dict[str, int]
    dead_letters_by_reason: dict[str, int]
    seconds: float
    events_per_second: float


def run_offline(
    records: Iterable[ProducerRecord],
    out: BinaryIO,
    *,
    pack: Pack,
    settings: Settings,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda events: None,
) -> OfflineSummary:
    """Run the records through the pack, and write each insight as one line of CloudEvents JSON.

    Parameters
    ----------
    on_progress
        Told now and then how many records were read.
    """
    started_s = clock.monotonic_s()
    run = OfflineRun(pack, settings, now_ms=clock.now_ms())
    events = 0

    def counted() -> Iterator[ProducerRecord]:
        nonlocal events
        for record in records:
            events += 1
            if events % _SAY_EVERY == 0:
                on_progress(events)
            yield record

    kinds: Counter[str] = Counter()
    for effects in run.run(counted()):
        for insight in effects.insights:
            out.write(encode_insight(insight) + b"\n")
            kinds[insight.kind.value] += 1
    seconds = clock.monotonic_s() - started_s
    tally = run.tally
    return OfflineSummary(
        events=events,
        accepted=tally.accepted.total(),
        dead_letters=tally.dead_letters.total(),
        duplicates=tally.duplicates,
        dropped=tally.unwanted,
        late=tally.late,
        users=run.users(),
        insights=kinds.total(),
        insights_by_kind=dict(sorted(kinds.items())),
        dead_letters_by_reason=dict(sorted(tally.dead_letters.items())),
        seconds=round(seconds, 3),
        events_per_second=round(events / seconds, 1) if seconds > 0 else 0.0,
    )


def describe(summary: OfflineSummary, pack: Pack) -> Iterator[str]:
    """What became of the events, in sentences."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.insights_by_kind.items())
    yield (
        f"{counted(summary.events, 'event')} of {counted(summary.users, 'user')} in {summary.seconds:.1f} s "
        f"({summary.events_per_second:,.0f}/s): {summary.accepted:,} accepted, "
        f"{counted(summary.dead_letters, 'dead letter')}, {counted(summary.duplicates, 'duplicate')}, "
        f"{summary.late:,} late; {counted(summary.insights, 'insight')}" + (f" ({kinds})" if kinds else "")
    )
    if summary.dead_letters:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.dead_letters_by_reason.items())
        yield f"dead letters: {reasons}; docs/dead-letters.md says what to do"
    if summary.accepted and not summary.insights:
        yield _why_nothing(pack)


def _why_nothing(pack: Pack) -> str:
    """What would have to happen before anything is told."""
    sentence = f"Nothing was told: no event met all the conditions of a segment or rule of pack {pack.name}"
    if (anomaly := pack.models.anomaly) is not None:
        sentence += (
            f", and an anomaly needs {counted(anomaly.warm_up, 'event')} in the partition and "
            f"{counted(anomaly.min_entity_events, 'event')} of its user before it"
        )
    return f"{sentence}; docs/packs.md says where these numbers are"
