"""Collects events and posts them to a collector, in batches, without ever making its host wait."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.contrib.transport import HttpReply, HttpTransport

Event = dict[str, Any]

MAX_POSTED: Final = 500
"""Events of one request: after an outage the backlog goes in large pieces, each far below what a collector takes."""
_RETRIED: Final = frozenset((408, 425, 429))
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_log = logging.getLogger("ubi_stream.contrib")


class Transport(Protocol):
    """Brings a request's body to the collector."""

    async def post(self, body: bytes) -> HttpReply | None:
        """The collector's answer; None where there was none."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(slots=True)
class DeliveryCounts:
    """What became of the events so far.

    `dropped` found the buffer full, `rejected` the collector did not want, `errors` are faults of ours in building one.
    """

    captured: int = 0
    sent: int = 0
    dropped: int = 0
    rejected: int = 0
    errors: int = 0


class EventBatcher:
    """A bounded buffer in front of a collector.

    `add` returns at once, whatever the collector does. While it is away events wait, up to `max_buffered`; further ones
    are dropped and counted. A batch that got no answer is sent again with the same event ids, so it counts once.

    Parameters
    ----------
    url
        Address of the collector, such as `http://127.0.0.1:8088`.
    key
        An ingest key; None where the collector needs none.
    batch_size
        Events that are sent at once, without waiting for `flush_interval_s`.
    flush_interval_s
        Longest time that an event waits for others.
    max_buffered
        Events that wait while the collector is away.
    transport, clock
        In place of HTTP and the system's clock, for tests.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        batch_size: int = 10,
        flush_interval_s: float = 5.0,
        max_buffered: int = 10_000,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not 1 <= batch_size <= MAX_POSTED:
            raise ValueError(f"batch_size = {batch_size}: expected 1 to {MAX_POSTED}")
        self.counts = DeliveryCounts()
        self._batch_size = batch_size
        self._flush_interval_s = flush_interval_s
        self._max_buffered = max_buffered
        self._transport = HttpTransport(url, key) if transport is None else transport
        self._clock = SystemClock() if clock is None else clock
        self._waiting: deque[str] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._reachable = True
        self._closing = False

    def add(self, event: Event) -> bool:
        """Take an event; False where the buffer is full, or no JSON can hold it. From any thread; never blocks."""
        self.counts.captured += 1
        if len(self._waiting) >= self._max_buffered:
            self.counts.dropped += 1
            return False
        try:
            text = json.dumps(event, separators=(",", ":"), default=str, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            self.counts.errors += 1
            return False
        self._waiting.append(text)
        self._run()
        return True

    def status(self) -> dict[str, Any]:
        """How it goes, for a health page: `status` is `ok`, or `unreachable` while the collector does not answer."""
        return {
            "status": "ok" if self._reachable else "unreachable",
            "batch_size": self._batch_size,
            "current_batch_count": len(self._waiting),
            "captured": self.counts.captured,
            "sent": self.counts.sent,
            "dropped": self.counts.dropped,
            "rejected": self.counts.rejected,
            "errors": self.counts.errors,
        }

    async def close(self, *, within_s: float = 5.0) -> None:
        """Send what waits, for at most that long; what is left then is dropped and counted."""
        self._closing = True
        self._wake.set()
        if self._waiting and (self._task is None or self._task.done()):
            self._start(asyncio.get_running_loop())
        if self._task is not None:
            _, running = await asyncio.wait([self._task], timeout=within_s)
            for task in running:
                task.cancel()
                await asyncio.wait([task])
        self.counts.dropped += len(self._waiting)
        self._waiting.clear()
        await self._transport.close()

    def _run(self) -> None:
        """Have the sender running in the host's event loop, and awake where a batch is full."""
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not None and (self._task is None or self._task.done()) and not self._closing:
            self._start(here)
        if len(self._waiting) < self._batch_size or self._loop is None:
            return
        if here is self._loop:
            self._wake.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task = loop.create_task(self._keep_sending(), name="ubi-event-batcher")

    async def _keep_sending(self) -> None:
        while not (self._closing and not self._waiting):
            if len(self._waiting) < self._batch_size and not self._closing:
                await self._for_more()
            while self._waiting:
                await self._send(min(len(self._waiting), MAX_POSTED))

    async def _for_more(self) -> None:
        """Wait until a batch is full, or its first event waited long enough."""
        self._wake.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._flush_interval_s)

    async def _send(self, count: int) -> None:
        """Send so many events that waited longest; they stay in the buffer until something became of them."""
        batch = list(islice(self._waiting, count))
        pause_s = _FIRST_PAUSE_S
        while (answer := await self._transport.post(self._body(batch))) is None or _to_retry(answer.status):
            if self._reachable:
                _log.warning("collector does not take events now: %s", answer.status if answer else "no answer")
            self._reachable = False
            wait_s = pause_s if answer is None or answer.retry_after_s is None else answer.retry_after_s
            await asyncio.sleep(min(wait_s, _LONGEST_PAUSE_S))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._reachable = answer.status != 401
        if answer.status == 413 and count > 1:
            await self._send(count // 2)  # the rest stays for the next request
            return
        for _ in range(count):
            self._waiting.popleft()
        self._settle(answer, count)

    def _settle(self, answer: HttpReply, count: int) -> None:
        rejected = min(answer.rejected, count) if answer.status == 200 else count
        self.counts.sent += count - rejected
        self.counts.rejected += rejected
        if rejected:
            _log.warning("collector rejected %d of %d events (%d)", rejected, count, answer.status)

    def _body(self, batch: Sequence[str]) -> bytes:
        sent = f',"sent_at":{self._clock.now_ms()}}}'
        return f"[{','.join(text[:-1] + sent for text in batch)}]".encode()


def _to_retry(status: int) -> bool:
    return status in _RETRIED or status >= 500
