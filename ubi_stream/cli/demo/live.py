"""`ubi demo`: a stream, and a live view of what comes of it, until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

import aiohttp
from rich.live import Live

from ubi_stream.cli.console import say, stdout
from ubi_stream.cli.demo.figures import fetch_figures
from ubi_stream.cli.demo.insights import InsightFeed, Seen
from ubi_stream.cli.demo.source import Job
from ubi_stream.cli.demo.stack import Stack, running_stack
from ubi_stream.cli.demo.view import LiveView, Moment, insight_line
from ubi_stream.cli.sending import send_all
from ubi_stream.cli.together import together
from ubi_stream.clock import Clock
from ubi_stream.replay.sender import SendReport

_REFRESH_S: Final = 0.5
_PLAIN_EVERY_S: Final = 2.0
_PLAIN_INSIGHTS: Final = 3  # newest ones told with each plain line
_RATE_OVER_S: Final = 5.0
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


class LiveDemo:
    """One running demo: what was sent, what the worker says, what insights came."""

    def __init__(self, job: Job, stack: Stack, clock: Clock) -> None:
        self._job = job
        self._stack = stack
        self._clock = clock
        self._feed = InsightFeed()
        self._view = LiveView(self._feed)
        self._sent = SendReport()
        self._ready_s = clock.monotonic_s()
        self._processed: deque[tuple[float, int]] = deque()
        self._shown = 0

    async def run(self) -> None:
        """Send, follow and show, until cancelled or until something fails; a file that has ended is still shown."""
        console = stdout()
        if not console.is_terminal:
            await together(self._send(), self._feed.follow(self._stack.settings), self._print_lines())
            return
        with Live(self._view, console=console, screen=True, auto_refresh=False) as live:
            await together(self._send(), self._feed.follow(self._stack.settings), self._redraw(live))

    async def _send(self) -> None:
        def note(report: SendReport) -> None:
            self._sent = report

        job = self._job
        await send_all(job.records(), self._stack.settings, self._clock, speed=job.speed, on_progress=note)

    async def _redraw(self, live: Live) -> None:
        async with aiohttp.ClientSession(timeout=_HTTP_TIMEOUT) as session:
            while True:
                self._view.moment = await self._look(session)
                live.refresh()
                await asyncio.sleep(_REFRESH_S)

    async def _print_lines(self) -> None:
        async with aiohttp.ClientSession(timeout=_HTTP_TIMEOUT) as session:
            while True:
                self._view.moment = await self._look(session)
                print(self._view.line(), flush=True)
                for seen in self._new_insights():
                    print(f"  {insight_line(seen)}", flush=True)
                await asyncio.sleep(_PLAIN_EVERY_S)

    def _new_insights(self) -> list[Seen]:
        fresh = self._feed.counts.total() - self._shown
        self._shown += fresh
        newest = list(self._feed.newest)
        return newest[len(newest) - min(fresh, _PLAIN_INSIGHTS) :]

    async def _look(self, session: aiohttp.ClientSession) -> Moment:
        self._stack.check_alive()
        figures = await fetch_figures(session, self._stack.url)
        now_s = self._clock.monotonic_s()
        self._processed.append((now_s, figures.processed))
        while len(self._processed) > 2 and self._processed[1][0] < now_s - _RATE_OVER_S:
            self._processed.popleft()
        then_s, then = self._processed[0]
        rate = (figures.processed - then) / (now_s - then_s) if now_s > then_s else 0.0
        return Moment(self._stack.url, now_s - self._ready_s, rate, self._sent.acknowledged, figures)


async def run_live(job: Job, clock: Clock) -> None:
    """Start everything and show it until cancelled."""
    async with running_stack(job.settings, job.folder, clock, say) as stack:
        say(f"The views are at [link={stack.url}/]{stack.url}/[/link]")
        await LiveDemo(job, stack, clock).run()
