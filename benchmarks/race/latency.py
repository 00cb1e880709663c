"""Under an offered load: how long events take to the insight on the topic and the row in Postgres; and the API."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from time import monotonic
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.race.contest import Contestant, Runner, Track, is_ready, until
from benchmarks.race.load import SentTimes, keep_open
from benchmarks.race.sampling import usage
from ubi_stream.clock import SystemClock
from ubi_stream.kafka.client import client_options
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

_WARM_UP_S: Final = 3.0
"""Of the load, before times count: models and caches begin empty."""
_POLL_S: Final = 0.02
_ASK_S: Final = 0.05
_SETTLE_S: Final = 30.0


class _Source(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _Data(msgspec.Struct):
    source: _Source


class _Insight(msgspec.Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Insight).decode


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of so many times, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> Quantiles:
        """Quantiles of times in seconds; NaN where there are none."""
        ordered = sorted(times_s)

        def at(share: float) -> float:
            return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

        return cls(len(ordered), at(0.50), at(0.95), at(0.99))


@dataclass(frozen=True, slots=True)
class Latency:
    """What an offered load came to.

    Attributes
    ----------
    processes
        Of the worker.
    per_s
        Events a second.
    insight, row, api
        From the event's turn to be sent to the insight's arrival at a consumer, and to its row in Postgres; and of the
        views' answers meanwhile.
    behind
        Events that were not processed when the load ended: many, where the worker does not keep up.
    cores
        Processor seconds that the worker took for each second of the load.
    """

    processes: int
    per_s: int
    insight: Quantiles
    row: Quantiles
    api: Quantiles
    behind: int
    cores: float


@dataclass
class _Times:
    sent: SentTimes = field(default_factory=SentTimes)
    insight: list[float] = field(default_factory=list)
    row: list[float] = field(default_factory=list)
    api: list[float] = field(default_factory=list)
    count_from_s: float = 0.0
    on_the_way: dict[int, deque[tuple[int, float]]] = field(default_factory=lambda: defaultdict(deque))


async def measure(track: Track, contestant: Contestant, per_s: int, seconds: float, users: int = 50_000) -> Latency:
    """Offer a load to a worker of its own, and look at what comes out."""
    async with track.prepared(contestant) as settings:
        runner = Runner(contestant, settings, track.folder, f"latency-{per_s}")
        runner.start()
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
                await _past_the_backlog(session, runner)
                return await _measured(settings, runner, session, per_s, seconds, users)
        finally:
            runner.stop()


async def _past_the_backlog(session: aiohttp.ClientSession, runner: Runner) -> None:
    """Wait until the worker is ready and has read what was on the topic before."""

    async def ready() -> bool:
        return await is_ready(session, runner) and await runner.metric(session, "ubi_lag_events") == 0

    await until(ready, 600.0, "the worker is ready")


async def _measured(
    settings: Settings, runner: Runner, session: aiohttp.ClientSession, per_s: int, seconds: float, users: int
) -> Latency:
    times = _Times(count_from_s=monotonic() + _WARM_UP_S)
    options = TrafficOptions(users=users, rate=per_s, start_ms=SystemClock().now_ms(), seed=11, zipf=1.0)
    records = list(Traffic(options).records(round(per_s * (seconds + _WARM_UP_S))))
    times.count_from_s = monotonic() + _WARM_UP_S
    async with (
        _running(_read_insights, settings, times),
        _running(_watch_rows, settings, times),
        _running(_ask, session, runner, [(record.key or b"").decode() for record in records[:500]], times),
    ):
        began_s, cpu_s = monotonic(), usage(runner.pid)[0]
        await keep_open(settings, records, per_s, times.sent)
        cores = (usage(runner.pid)[0] - cpu_s) / (monotonic() - began_s)
        behind = int(await runner.metric(session, "ubi_lag_events"))

        async def all_stored() -> bool:
            return (
                await runner.metric(session, "ubi_lag_events") == 0
                and await runner.metric(session, "ubi_sink_lag_events") == 0
                and not any(times.on_the_way.values())
            )

        await until(all_stored, _SETTLE_S + behind / 1000, "what was sent is stored")
    insight, row, api = (Quantiles.of(some) for some in (times.insight, times.row, times.api))
    return Latency(settings.processes, per_s, insight, row, api, behind, cores)


@asynccontextmanager
async def _running(work: Callable[..., Awaitable[None]], *arguments: Any) -> AsyncIterator[None]:
    """Something that goes on meanwhile; where it fails, so does the measurement."""
    ready = asyncio.Event()
    task = asyncio.ensure_future(work(*arguments, ready))
    started = asyncio.ensure_future(ready.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    try:
        yield
    finally:
        if not task.done():
            task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _read_insights(settings: Settings, times: _Times, ready: asyncio.Event) -> None:
    """Note when each insight arrives."""
    consumer = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="latest", fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.insights_topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        ready.set()
        while True:
            for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                now_s = monotonic()
                for record in records:
                    source = _decode(record.value).data.source
                    sent_s = times.sent.of(source.partition, source.offset)
                    if sent_s is not None and sent_s >= times.count_from_s:
                        times.insight.append(now_s - sent_s)
                        times.on_the_way[tp.partition].append((record.offset, sent_s))
    finally:
        await consumer.stop()


async def _watch_rows(settings: Settings, times: _Times, ready: asyncio.Event) -> None:
    """Note when rows are visible: the transaction that stores them moves the offset of their topic on."""
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:
        ready.set()
        while True:
            rows = await connection.fetch(
                "SELECT partition, next_offset FROM sink_offsets WHERE topic = $1", settings.insights_topic
            )
            now_s = monotonic()
            for partition, next_offset in rows:
                waiting = times.on_the_way[partition]
                while waiting and waiting[0][0] < next_offset:
                    times.row.append(now_s - waiting.popleft()[1])
            await asyncio.sleep(_POLL_S)
    finally:
        await connection.close()


async def _ask(
    session: aiohttp.ClientSession, runner: Runner, users: list[str], times: _Times, ready: asyncio.Event
) -> None:
    """Ask for profiles and lists, one question at a time, twenty a second."""
    ready.set()
    for user in cycle(users):
        for path in (f"/api/v1/users/{user}", "/api/v1/insights?limit=50", f"/api/v1/users/{user}/insights"):
            asked_s = monotonic()
            async with session.get(runner.url + path) as answer:
                await answer.read()
            if asked_s >= times.count_from_s:
                times.api.append(monotonic() - asked_s)
            await asyncio.sleep(_ASK_S)
