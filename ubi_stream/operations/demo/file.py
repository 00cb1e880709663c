"""`ubi demo --input FILE --exit`: a whole file through real servers, and an account of it."""

from __future__ import annotations

import asyncio
import os
from typing import Final

import aiohttp
import psutil

from ubi_stream.clock import Clock
from ubi_stream.data.sender import SendReport
from ubi_stream.data.source import ReplaySource
from ubi_stream.operations.demo.figures import Figures, fetch_figures
from ubi_stream.operations.demo.report import DemoOutcome, make_outcome, stored_insights
from ubi_stream.operations.demo.source import Job
from ubi_stream.operations.demo.stack import Stack, running_stack
from ubi_stream.operations.demo.topics import TopicWatch, read_results, watching
from ubi_stream.operations.servers import key_headers
from ubi_stream.replay.account import Account, likely
from ubi_stream.replay.sending import send_all
from ubi_stream.terminal.console import say
from ubi_stream.terminal.progress import progress_bar

_POLL_S: Final = 0.1
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


async def run_to_end(job: Job, source: ReplaySource, account: Account, clock: Clock) -> DemoOutcome:
    """Start everything, send the file, wait until all of it is processed and stored, and account for it.

    `account` is filled with what is refused, and with the order of the times.
    """
    async with (
        running_stack(job.settings, job.folder, clock, say) as stack,
        aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, headers=key_headers()) as session,
        watching(stack.settings, job.pack, clock) as topics,
    ):
        await topics.until_settled(stack.check_alive, clock)  # what an earlier run on this folder left
        ends_before, before = await topics.result_ends(), await fetch_figures(session, stack.url)
        started_s = clock.monotonic_s()
        sent = await _send(job, source, account, stack, clock)
        await _until_processed(sent.acknowledged, before, stack, topics, session)
        processing_s = clock.monotonic_s() - started_s
        await topics.until_settled(stack.check_alive, clock)
        results = await read_results(topics, stack.settings, ends_before)
        dsn = stack.settings.postgres_dsn.get_secret_value()
        return make_outcome(
            rows=(source.rows_read, source.rows_skipped),
            left_out=sum(source.left_out.values()),
            sent=sent,
            figures=(await fetch_figures(session, stack.url)).since(before),
            results=results,
            stored=await stored_insights(dsn, sorted(results.all_insights)),
            seconds=_since_the_process_began_s(clock),
            processing_s=processing_s,
        )


async def _send(job: Job, source: ReplaySource, account: Account, stack: Stack, clock: Clock) -> SendReport:
    with progress_bar(source.total_bytes) as bar:

        def show(sent: SendReport) -> None:
            stack.check_alive()
            bar.move(source.bytes_read, f"{sent.acknowledged:,} events sent")

        records = likely(source, account, job.pack, clock)
        return await send_all(records, stack.settings, clock, speed=job.options.speed, on_progress=show)


async def _until_processed(
    events: int, before: Figures, stack: Stack, topics: TopicWatch, session: aiohttp.ClientSession
) -> None:
    """Wait until the worker has counted every event, or has nothing left to count."""
    while (await fetch_figures(session, stack.url)).since(before).processed < events and not await topics.settled():
        stack.check_alive()
        await asyncio.sleep(_POLL_S)


def _since_the_process_began_s(clock: Clock) -> float:
    return float(clock.now_ms() / 1000 - psutil.Process(os.getpid()).create_time())
