"""`ubi demo`: a story or a file, and a live view of what is noticed, until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

import aiohttp
from rich.live import Live
from rich.markup import escape

from ubi_stream.clock import Clock
from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.operations.demo.figures import fetch_figures
from ubi_stream.operations.demo.insights import InsightFeed
from ubi_stream.operations.demo.source import Job
from ubi_stream.operations.demo.stack import Stack, running_stack
from ubi_stream.operations.demo.summary import summary
from ubi_stream.operations.demo.view import LiveView, Screen, figures_line, minutes, sentence_line
from ubi_stream.operations.servers import key_headers
from ubi_stream.replay.sending import send_all
from ubi_stream.sinks.database import parse_target
from ubi_stream.synthetic.story import SCENES, Story
from ubi_stream.terminal.console import one_event, say, stdout
from ubi_stream.terminal.together import together

_SENTENCE_EVERY_S: Final = 1.0
_FIGURES_EVERY_S: Final = 5.0  # where the output is no terminal
_RATE_OVER_S: Final = 5.0
_POLL_S: Final = 0.1
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


class LiveDemo:
    """One running demo: what was sent, and what was noticed."""

    def __init__(self, job: Job, stack: Stack, clock: Clock) -> None:
        self._job = job
        self._stack = stack
        self._clock = clock
        self._settings = stack.settings
        self._feed = InsightFeed()
        self._start_ms = clock.now_ms()
        self._processed: deque[tuple[float, int]] = deque()

    async def run(self) -> None:
        """Stream, follow and show, until cancelled or until something fails; a file that has ended is still shown."""
        source = self._job.source
        try:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._feed.follow(self._settings))
                records = iter(source) if source is not None else await self._after_history()
                await together(self._send(records), self._show())
                following.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for line in summary(self._feed, self._job, self._stack, self._start_ms / 1000):
                stdout().print(line)

    async def _after_history(self) -> Iterator[ProducerRecord]:
        """Send the shop's history, wait until it is processed, and return the story from then on."""
        options, now_ms = self._job.options, self._clock.now_ms()
        story = Story(users=options.users, rate=options.rate, now_ms=now_ms, seed=options.seed)
        say("Replaying ten days of some shoppers and the last twenty minutes of all: a few seconds")
        started_s = self._clock.monotonic_s()
        sent = await send_all(map(_record, story.regulars()), self._settings, self._clock, speed="max")
        events = sent.acknowledged
        async with aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, headers=key_headers()) as session:
            while True:  # meanwhile time goes on: up to now, and again, until nothing is left
                until_now = map(_record, story.ordinary_until(self._clock.now_ms()))
                events += (await send_all(until_now, self._settings, self._clock, speed="max")).acknowledged
                self._stack.check_alive()
                if (await fetch_figures(session, self._stack.url)).processed >= events:
                    break
                await asyncio.sleep(_POLL_S)
        say(f"{events:,} events of history in {self._clock.monotonic_s() - started_s:.0f} s. The story begins")
        self._start_ms = self._clock.now_ms()
        self._feed.begin(self._start_ms / 1000)
        return map(_record, story.events(self._start_ms))

    async def _send(self, records: Iterator[ProducerRecord]) -> None:
        speed = "realtime" if self._job.source is None else self._job.options.speed
        await send_all(records, self._settings, self._clock, speed=speed)

    async def _show(self) -> None:
        """Show figures and at most one sentence more each second."""
        console, start_s = stdout(), self._start_ms / 1000
        view = LiveView(self._feed, start_s)
        async with aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, headers=key_headers()) as session:
            if not console.is_terminal:
                await self._print_lines(session, start_s)
                return
            with Live(view, console=console, screen=True, auto_refresh=False) as live:
                while True:
                    self._feed.next_to_show()
                    view.screen = await self._look(session)
                    live.refresh()
                    await asyncio.sleep(_SENTENCE_EVERY_S)

    async def _print_lines(self, session: aiohttp.ClientSession, start_s: float) -> None:
        figures_due_s, scene = 0.0, ""
        while True:
            screen = await self._look(session)
            if self._clock.monotonic_s() >= figures_due_s:
                print(figures_line(screen, self._feed), flush=True)
                figures_due_s = self._clock.monotonic_s() + _FIGURES_EVERY_S
            if screen.scene != scene:
                scene = screen.scene
                print(f"      now: {scene}", flush=True)
            if (seen := self._feed.next_to_show()) is not None:
                print(sentence_line(seen, start_s), flush=True)
            await asyncio.sleep(_SENTENCE_EVERY_S)

    async def _look(self, session: aiohttp.ClientSession) -> Screen:
        self._stack.check_alive()
        figures = await fetch_figures(session, self._stack.url)
        now_s = self._clock.monotonic_s()
        self._processed.append((now_s, figures.processed))
        while len(self._processed) > 2 and self._processed[1][0] < now_s - _RATE_OVER_S:
            self._processed.popleft()
        then_s, then = self._processed[0]
        elapsed_s = (self._clock.now_ms() - self._start_ms) / 1000
        return Screen(
            url=self._stack.url,
            broker=self._settings.broker,
            postgres=str(parse_target(self._settings.postgres_dsn.get_secret_value())),
            elapsed_s=elapsed_s,
            rate=(figures.processed - then) / (now_s - then_s) if now_s > then_s else 0.0,
            figures=figures,
            scene=_scene(elapsed_s) if self._job.source is None else "",
        )


def _scene(elapsed_s: float) -> str:
    """The newest scene of the story, or the one that comes first."""
    begun = [scene for scene in SCENES if scene.at_s <= elapsed_s]
    if not begun:
        return f"an ordinary day; at {minutes(SCENES[0].at_s)} {SCENES[0].title}"
    return f"since {minutes(begun[-1].at_s)} {begun[-1].title}"


def _record(event: dict[str, object]) -> ProducerRecord:
    time_ms = event["event_time"]
    assert isinstance(time_ms, int), "the story's events have times in milliseconds"
    return record_of(event, time_ms)


async def run_live(job: Job, clock: Clock) -> None:
    """Start everything and show it until cancelled."""
    async with running_stack(job.settings, job.folder, clock, say) as stack:
        say(f"The page is at [link={stack.url}/]{escape(stack.url)}/[/link]. Send an event of your own:")
        say(f"  {escape(one_event(stack.settings.broker, stack.settings.events_topic))}")
        await LiveDemo(job, stack, clock).run()
