"""`ubi demo`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ubi_stream.cli.options import (
    DeadLettersAllowed,
    FileRun,
    MappingName,
    PackName,
    SortRows,
    SpeedText,
    mapping_for,
    parse_share,
)
from ubi_stream.clock import SystemClock
from ubi_stream.data.pacing import parse_speed
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say
from ubi_stream.terminal.signals import EndedBySignal, until_signalled


def demo(
    file: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="Stream this file instead of invented users.", show_default=False),
    ] = None,
    mapping: MappingName = None,
    speed: SpeedText = "max",
    exit_at_end: Annotated[
        bool, typer.Option("--exit", help="End when all of the file is processed, with an account of it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as one JSON object.")] = False,
    sort: SortRows = False,
    allow_dead_letters: DeadLettersAllowed = "50%",
    rate: Annotated[float, typer.Option("--rate", help="Ordinary events a second, on average.")] = 10.0,
    users: Annotated[int, typer.Option("--users", help="How many ordinary users, at least 20.")] = 4_000,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another stream.")] = 7,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Keep the servers' data in this folder, and go on with it the next time. Default: a temporary one.",
            show_default=False,
        ),
    ] = None,
    pack: PackName = None,
    web_port: Annotated[
        int | None, typer.Option("--web-port", help="Port of the views; taken, or 0: a free one.")
    ] = None,
) -> None:
    """Start Kafka, Postgres and a worker on this machine, and stream a shop's users through it. Ctrl-C ends it.

    First some history, then a story: at 0:30 a bot, at 0:45 a shopper in a hurry, at 1:15 a checkout that is slow for
    everybody, at 1:45 a burst at night, at 2:15 tracking that breaks. The shipped pack has to find them.

    Nothing has to be installed or running. The first time, Kafka (43 MB) is downloaded into a cache. With --exit the
    status is 0 only if every event is accounted for and every insight is in Postgres.

    Examples:

    - `ubi demo`

    - `ubi demo --rate 500 --users 20000 --data ./demo-data`

    - `ubi demo --input events.csv.gz --mapping rees46 --exit --json`
    """
    if exit_at_end and file is None:
        raise typer.BadParameter("--exit needs --input: invented users never end")
    if as_json and not exit_at_end:
        raise typer.BadParameter("--json needs --exit")
    mapping = mapping_for(file, mapping)
    settings, clock, pace = load_settings(pack=pack, web_port=web_port), SystemClock(), parse_speed(speed)
    from ubi_stream.cli.file_run import end_if_refused  # noqa: PLC0415 - as above
    from ubi_stream.operations.demo.file import run_to_end  # noqa: PLC0415 - loads aiokafka and the extra `local`
    from ubi_stream.operations.demo.live import run_live  # noqa: PLC0415 - as above
    from ubi_stream.operations.demo.report import show_outcome  # noqa: PLC0415 - as above
    from ubi_stream.operations.demo.source import DemoOptions, prepared  # noqa: PLC0415 - as above
    from ubi_stream.replay.account import Account, sentences  # noqa: PLC0415 - as above

    options = DemoOptions(data, file, mapping, sort, pace, rate, users, seed)
    account, allowed = Account(), parse_share(allow_dead_letters)
    try:
        with prepared(options, settings) as job:
            if exit_at_end and job.source is not None:
                outcome = run_async(until_signalled(run_to_end(job, job.source, account, clock)))
                show_outcome(outcome, as_json=as_json)
                for sentence in sentences(
                    account, job.pack, job.source.unread, job.source.left_out, late=outcome.report.late
                ):
                    say(escape(sentence))
                if outcome.problems:
                    raise typer.Exit(1)
                if file is not None:
                    end_if_refused(account, FileRun(file, mapping, allowed, sort=sort, as_json=False))
            else:
                run_async(until_signalled(run_live(job, clock)))
    except EndedBySignal as ended:
        say("Everything has ended")
        live_and_ended_by_hand = ended.signal is signal.SIGINT and not exit_at_end
        raise typer.Exit(0 if live_and_ended_by_hand else ended.exit_code) from None
