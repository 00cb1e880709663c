"""`ubi replay --offline`: the pipeline in this process, a file in, insights as JSON Lines out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from ubi_stream.clock import Clock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.insights.builder import POPULATION
from ubi_stream.insights.encoding import encode_dead_letter, encode_features, encode_insight
from ubi_stream.insights.visits import VisitRecord
from ubi_stream.insights.windows import NO_CLASS
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.account import Account, Cause, order_sentences, sentences
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.terminal.console import counted

_SAY_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class OfflineOutputs:
    """Where the results go; None for what is not wanted.

    Attributes
    ----------
    insights, dead_letters, features
        One JSON object a line, in the form of their topics.
    quality
        One JSON object: how good each model was, as `GET /api/v1/models` reports it.
    """

    insights: BinaryIO
    dead_letters: BinaryIO | None = None
    features: BinaryIO | None = None
    quality: BinaryIO | None = None


class OfflineSummary(msgspec.Struct, frozen=True):
    """What became of a file: `events` = `accepted` + `dead_letters` + `duplicates` + `dropped`.

    `rows` are those of the file that are not blank; each that the mapping does not leave out gives an event, and one
    more for each `[[also]]`.
    `visits_by_class` are visits that ended.
    `time_order` says what is wrong with the order of the times, and what to do.
    """

    rows: int
    blank_rows: int
    rows_left_out: dict[str, int]
    events: int
    accepted: int
    dead_letters: int
    duplicates: int
    dropped: int
    late: int
    users: int
    insights: int
    insights_by_kind: dict[str, int]
    visits_by_class: dict[str, int]
    dead_letters_by_reason: dict[str, int]
    causes: list[Cause]
    unknown_event_types: dict[str, int]
    unreadable_values: dict[str, int]
    time_order: list[str]
    seconds: float
    events_per_second: float


def run_offline(  # noqa: C901 - one output after the other
    source: ReplaySource,
    out: OfflineOutputs,
    account: Account,
    *,
    pack: Pack,
    settings: Settings,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda events: None,
) -> OfflineSummary:
    """Run a file through the pack, and write each insight as one line of CloudEvents JSON.

    Parameters
    ----------
    account
        Filled with what is refused, and with the order of the times.
    on_progress
        Told now and then how many records were read.
    """
    started_s = clock.monotonic_s()
    if out.features is not None:
        pack = pack.model_copy(update={"outputs": pack.outputs.model_copy(update={"features": True})})
    run = OfflineRun(pack, settings, now_ms=clock.now_ms())

    def noted() -> Iterator[ProducerRecord]:
        for record in source:
            account.note(record)
            if account.records % _SAY_EVERY == 0:
                on_progress(account.records)
            yield record

    kinds: Counter[str] = Counter()
    incidents: set[str] = set()  # several partitions may see one: the same id
    visits: Counter[str] = Counter()
    for effects in run.run(noted()):
        for insight in effects.insights:
            if insight.entity == POPULATION:
                if insight.id in incidents:
                    continue
                incidents.add(insight.id)
            out.insights.write(encode_insight(insight) + b"\n")
            kinds[insight.kind.value] += 1
        for visit in effects.visits:
            if isinstance(visit, VisitRecord) and not visit.revised:
                visits[visit.behavior_segment or NO_CLASS] += 1
        for letter in effects.dead_letters:
            item = run.item_of(letter.record)
            account.refuse(letter, *((0, "") if item is None else (item.row, item.fault)))
            if out.dead_letters is not None:
                out.dead_letters.write(encode_dead_letter(letter) + b"\n")
        if out.features is not None:
            out.features.writelines(encode_features(row) + b"\n" for row in effects.features)
    if out.quality is not None:
        out.quality.write(msgspec.json.encode({"pack": pack.name, "models": run.model_reports()}) + b"\n")
    seconds = clock.monotonic_s() - started_s
    tally, events = run.tally, account.records
    return OfflineSummary(
        rows=source.rows_read,
        blank_rows=source.rows_skipped,
        rows_left_out=dict(source.left_out.most_common()),
        events=events,
        accepted=tally.accepted.total(),
        dead_letters=tally.dead_letters.total(),
        duplicates=tally.duplicates,
        dropped=tally.unwanted,
        late=tally.late,
        users=run.users(),
        insights=kinds.total(),
        insights_by_kind=dict(sorted(kinds.items())),
        visits_by_class=dict(sorted(visits.items())),
        dead_letters_by_reason=dict(sorted(tally.dead_letters.items())),
        causes=account.causes(),
        unknown_event_types=dict(account.unknown_types.most_common()),
        unreadable_values=dict(source.unread),
        time_order=list(order_sentences(account, late=tally.late)),
        seconds=round(seconds, 3),
        events_per_second=round(events / seconds, 1) if seconds > 0 else 0.0,
    )


def describe(summary: OfflineSummary, account: Account, pack: Pack) -> Iterator[str]:
    """What became of the events, in sentences."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.insights_by_kind.items())
    yield (
        f"{counted(summary.events, 'event')} of {counted(summary.users, 'user')} in {summary.seconds:.1f} s "
        f"({summary.events_per_second:,.0f}/s): {summary.accepted:,} accepted, "
        f"{counted(summary.dead_letters, 'dead letter')}, {counted(summary.duplicates, 'duplicate')}, "
        f"{summary.late:,} late; {counted(summary.insights, 'insight')}" + (f" ({kinds})" if kinds else "")
    )
    if summary.visits_by_class:
        visits = ", ".join(f"{count:,} {name}" for name, count in summary.visits_by_class.items())
        yield f"visits that ended: {visits}"
    if summary.dead_letters:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.dead_letters_by_reason.items())
        yield f"dead letters: {reasons}; docs/dead-letters.md says what to do"
    if summary.blank_rows:
        yield f"{counted(summary.blank_rows, 'blank line')} skipped"
    yield from sentences(account, pack, summary.unreadable_values, summary.rows_left_out, late=summary.late)
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
