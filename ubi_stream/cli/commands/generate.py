"""`ubi generate`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ubi_stream.cli.options import Broker, OutFile, SpeedText
from ubi_stream.clock import SystemClock
from ubi_stream.data.pacing import Speed, parse_speed
from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.operations.background import server_settings
from ubi_stream.settings import Settings
from ubi_stream.synthetic.chaos import Chaos, ChaosAccount, ChaosOptions
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.personas import session as session_of
from ubi_stream.synthetic.population import TrafficOptions
from ubi_stream.synthetic.sessions import SESSIONS
from ubi_stream.terminal.console import counted, run_async, say
from ubi_stream.terminal.lines import open_lines
from ubi_stream.terminal.progress import Bar, progress_bar

_SPOIL = "Spoil the stream"
_PERSONA = "One user"
_DAY_MS = 86_400_000
_SAY_EVERY = 1_000


def generate(
    rate: Annotated[float, typer.Option("--rate", help="Events a second, on average.")] = 50.0,
    users: Annotated[int, typer.Option("--users", help="How many users there are, at least 20.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another stream.")] = 7,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="End after this many events. Default: at Ctrl-C.")
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            help="Time of the first events, UTC. Default: now; with --out, so that the last are of now.",
            formats=["%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
    zipf: Annotated[float, typer.Option("--zipf", help="How unequal the users are: 0 evenly, 1 as on the web.")] = 0.0,
    speed: SpeedText = "realtime",
    out: OutFile = None,
    broker: Broker = None,
    duplicates: Annotated[
        float, typer.Option("--duplicates", help="Share of events sent twice, 0 to 1.", rich_help_panel=_SPOIL)
    ] = 0.0,
    out_of_order: Annotated[
        float, typer.Option("--out-of-order", help="Share of events held back a little.", rich_help_panel=_SPOIL)
    ] = 0.0,
    late: Annotated[
        float, typer.Option("--late", help="Share of events held back for two hours.", rich_help_panel=_SPOIL)
    ] = 0.0,
    keyless: Annotated[
        float, typer.Option("--keyless", help="Share of events sent without a key.", rich_help_panel=_SPOIL)
    ] = 0.0,
    poison: Annotated[
        float, typer.Option("--poison", help="Garbage records for each good one, 0 to 1.", rich_help_panel=_SPOIL)
    ] = 0.0,
    persona: Annotated[
        str | None,
        typer.Option(
            "--persona",
            help=f"Visits of one user instead, sent at once: {', '.join(SESSIONS)}. --count is of visits then.",
            metavar="NAME",
            show_default=False,
            rich_help_panel=_PERSONA,
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="Id of that user.", rich_help_panel=_PERSONA, show_default=False)
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", help="Session id of the visit.", rich_help_panel=_PERSONA, show_default=False),
    ] = None,
) -> None:
    """Invent a stream of users and send it to the events topic, or write it with --out, which ignores --speed.

    Bouncers, browsers, shoppers, power users, at-risk customers whose waits grow, a night-time burst, a bot. The same
    options and --start give the same events. Spoiled on purpose, it says exactly what must come out.

    Examples:

    - `ubi generate --rate 200 --users 5000`

    - `ubi generate --count 100000 --out events.jsonl --start 2024-01-01T00:00:00`

    - `ubi generate --count 10000 --speed max --duplicates 0.01 --poison 0.01`

    - `ubi generate --persona power_user --user u-1 --session s-42`
    """
    if persona is not None:
        visits = _visits(persona, user or persona, session, start, count or 1)
        with progress_bar(len(visits)) as bar:
            if out is not None:
                _write(visits, out, bar)
            else:
                run_async(_send(visits, server_settings(broker=broker), parse_speed("max"), bar))
        say(f"{counted(len(visits), 'event')} of {counted(count or 1, 'visit')} by {escape(user or persona)}")
        return
    if out is not None and count is None:
        raise typer.BadParameter("--out needs --count: the stream has no end")
    start_ms = _start_ms(start, count if out is not None else None, rate)
    traffic = Traffic(TrafficOptions(users=users, rate=rate, start_ms=start_ms, seed=seed, zipf=zipf))
    chaos = Chaos(
        ChaosOptions(
            duplicates=duplicates, out_of_order=out_of_order, late=late, keyless=keyless, poison=poison, seed=seed
        )
    )
    records = chaos.spoil(traffic.records(count))
    with progress_bar(count) as bar:
        try:
            if out is not None:
                _write(records, out, bar)
            else:
                run_async(_send(records, server_settings(broker=broker), parse_speed(speed), bar))
        finally:
            say(_sentence(chaos.account))


def _visits(persona: str, user: str, session: str | None, start: datetime | None, visits: int) -> list[ProducerRecord]:
    """Visits of a persona, a day apart. Without a start the last one has just ended."""
    records: list[ProducerRecord] = []
    for number in range(visits):
        start_ms = 0 if start is None else _start_ms(start, None, 0.0) + number * _DAY_MS
        name = session or f"{user}-{start_ms or SystemClock().now_ms()}"
        session_id = name if visits == 1 else f"{name}-{number + 1}"
        if start is None:
            length_ms = session_of(persona, user, session_id, 0)[-1]["event_time"]
            start_ms = SystemClock().now_ms() - length_ms - (visits - 1 - number) * _DAY_MS
        made = session_of(persona, user, session_id, start_ms)
        records += [record_of(event, event["event_time"]) for event in made]
    return records


def _start_ms(start: datetime | None, in_a_file: int | None, rate: float) -> int:
    """Time of the first event: a file ends now.

    Events of the future are held to the reader's clock, so such a file would not be read tomorrow as today.
    """
    if start is not None:
        return round(start.replace(tzinfo=UTC).timestamp() * 1000)
    now_ms = SystemClock().now_ms()
    return now_ms - round(in_a_file / rate * 1000) if in_a_file and rate > 0 else now_ms


def _write(records: Iterable[ProducerRecord], out: Path, bar: Bar) -> None:
    with open_lines(out) as lines:
        for number, record in enumerate(records, start=1):
            lines.write((b"null" if record.value is None else record.value) + b"\n")
            if number % _SAY_EVERY == 0:
                bar.move(number, f"{number:,} events written")


async def _send(records: Iterable[ProducerRecord], settings: Settings, speed: Speed, bar: Bar) -> None:
    from ubi_stream.replay.sending import require_events_topic, send_all  # noqa: PLC0415 - loads aiokafka

    clock = SystemClock()
    await require_events_topic(settings, clock, on_retry=say)
    await send_all(
        records,
        settings,
        clock,
        speed=speed,
        on_progress=lambda sent: bar.move(sent.acknowledged, f"{sent.acknowledged:,} events sent"),
    )


def _sentence(account: ChaosAccount) -> str:
    """What was done to the stream, and so what must come out of it."""
    dead = ", ".join(f"{count:,} {reason.value}" for reason, count in sorted(account.dead_letters.items()))
    return escape(
        f"{account.records:,} records: {account.good:,} good ({account.out_of_order:,} out of order, {account.late:,} "
        f"late, {account.keyless:,} without a key), {account.duplicates:,} duplicates, "
        f"{account.poison.total():,} garbage" + (f" ({dead})" if dead else "")
    )
