"""`ubi replay FILE`: through the pipeline here, or to the events topic; and an account of every row."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import typer
from rich.markup import escape

from ubi_stream.cli.options import FileRun
from ubi_stream.clock import SystemClock
from ubi_stream.data.pacing import parse_speed
from ubi_stream.data.source import ReplaySource
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.account import Account, Cause, likely, order_sentences, sentences
from ubi_stream.replay.offline_run import OfflineOutputs, describe, run_offline
from ubi_stream.replay.sending import not_sent, require_events_topic, send_all
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import pack_for
from ubi_stream.terminal.console import counted, say
from ubi_stream.terminal.lines import open_lines
from ubi_stream.terminal.progress import progress_bar

_OF_EVERY_EVENT: Final = frozenset(("$", "$.event_time", "$.event_type", "$.user_id"))
_REASONS_OF_TIME: Final = frozenset(("time_in_future", "time_too_old"))


class SentSummary(msgspec.Struct, frozen=True):
    """What became of a file that was sent: `events` = `acknowledged` + `not_sent`.

    `dead_letters` and what follows is what a worker with the same pack will make of them.
    `time_order` says what is wrong with the order of the times, and what to do.
    """

    rows: int
    blank_rows: int
    rows_left_out: dict[str, int]
    events: int
    acknowledged: int
    not_sent: int
    sent_bytes: int
    dead_letters: int
    causes: list[Cause]
    unknown_event_types: dict[str, int]
    unreadable_values: dict[str, int]
    time_order: list[str]


@dataclass(frozen=True, slots=True)
class OutputPaths:
    """Files that an offline run writes: insights (None is standard output), and what else is wanted."""

    insights: Path | None = None
    dead_letters: Path | None = None
    features: Path | None = None
    quality: Path | None = None


def replay_offline(run: FileRun, settings: Settings, paths: OutputPaths) -> None:
    """Run a file through the pipeline in this process, and say what became of it.

    Raises
    ------
    ConfigError
        The file, mapping or pack is wrong.
    typer.Exit
        More became dead letters than may.
    """
    account = Account()
    with ExitStack() as stack:
        source = stack.enter_context(ReplaySource(run.path, run.mapping, sort=run.sort, key=settings.hash_key))
        bar = stack.enter_context(progress_bar(source.total_bytes))
        further = (paths.dead_letters, paths.features, paths.quality)
        files = (None if path is None else stack.enter_context(open_lines(path)) for path in further)
        outputs = OfflineOutputs(stack.enter_context(open_lines(paths.insights)), *files)
        settings = pack_for(settings, source.mapping.pack)
        pack = load_pack(settings.pack, nobody=settings.nobody)
        summary = run_offline(
            source,
            outputs,
            account,
            pack=pack,
            settings=settings,
            clock=SystemClock(),
            on_progress=lambda events: bar.move(source.bytes_read, f"{events:,} events"),
        )
    if run.as_json:
        typer.echo(msgspec.json.encode(summary), err=True)
    else:
        for sentence in describe(summary, account, pack):
            say(escape(sentence))
        _say_if_empty(source, run.path)
    end_if_refused(account, run)


async def replay_online(run: FileRun, settings: Settings, speed: str) -> None:
    """Send a file to the events topic, and say what was sent and what a worker will refuse.

    Raises
    ------
    ConfigError
        The file, mapping or pack is wrong, or a row could not be sent.
    UbiError
        Kafka can't be reached, has no such topic, or did not take a record.
    typer.Exit
        More become dead letters than may.
    """
    clock, pace, account = SystemClock(), parse_speed(speed), Account()
    with ReplaySource(run.path, run.mapping, sort=run.sort, key=settings.hash_key) as source:
        settings = pack_for(settings, source.mapping.pack)
        pack = load_pack(settings.pack, nobody=settings.nobody)
        await require_events_topic(settings, clock, on_retry=say)
        started_s = clock.monotonic_s()
        with progress_bar(source.total_bytes) as bar:
            report = await send_all(
                likely(source, account, pack, clock),
                settings,
                clock,
                speed=pace,
                on_progress=lambda sent: bar.move(source.bytes_read, f"{sent.acknowledged:,} events sent"),
            )
    seconds = clock.monotonic_s() - started_s
    if run.as_json:
        summary = SentSummary(
            rows=source.rows_read,
            blank_rows=source.rows_skipped,
            rows_left_out=dict(source.left_out.most_common()),
            events=report.records,
            acknowledged=report.acknowledged,
            not_sent=report.refused,
            sent_bytes=report.sent_bytes,
            dead_letters=account.refused,
            causes=account.causes(),
            unknown_event_types=dict(account.unknown_types.most_common()),
            unreadable_values=dict(source.unread),
            time_order=list(order_sentences(account)),
        )
        typer.echo(msgspec.json.encode(summary), err=True)
    else:
        say(f"{counted(report.acknowledged, 'event')} sent to {escape(settings.events_topic)} in {seconds:.1f} s")
        if source.rows_skipped:
            say(f"{counted(source.rows_skipped, 'blank line')} skipped")
        if account.refused:
            say(f"A worker with pack {escape(pack.name)} makes {counted(account.refused, 'dead letter')} of them:")
        for sentence in sentences(account, pack, source.unread, source.left_out):
            say(escape(sentence))
        _say_if_empty(source, run.path)
    if report.refused:
        raise ConfigError(not_sent(report.refused, report.first_refused_row))
    end_if_refused(account, run)


def _say_if_empty(source: ReplaySource, path: Path) -> None:
    if source.rows_read == 0:
        say(
            f"{escape(str(path))} has no rows: was it written to its end? `ubi generate --count 20000 --out FILE` "
            "invents a file of events"
        )


def end_if_refused(account: Account, run: FileRun) -> None:
    """End with status 1 where more became dead letters than may.

    Raises
    ------
    typer.Exit
        So it is.
    """
    if account.refused <= run.allowed * account.records:
        return
    if not run.as_json:
        allowed = f"{run.allowed:.0%} may be (--allow-dead-letters)"
        say(f"{account.refused:,} of {counted(account.records, 'event')} are dead letters, {allowed}")
        misread = (cause.count for cause in account.causes() if _is_misread(cause))
        if sum(misread) > account.records / 2:
            say(f"Most of it was not understood: is {escape(run.mapping)} the right --mapping? docs/mappings.md helps")
    raise typer.Exit(1)


def _is_misread(cause: Cause) -> bool:
    """Whether the mapping of another file would bring this about: what every event has was not found, or is no such."""
    return cause.path in _OF_EVERY_EVENT and cause.reason not in _REASONS_OF_TIME
