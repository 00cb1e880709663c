"""`python -m benchmarks.race`: ubi-stream and others over the same events, and what the product does under load.

Contestants run one after the other, each in a process of its own, in rounds; ratios are of runs of one round. The last
line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path

from benchmarks.race import backpressure, latency, scaling, stages, states
from benchmarks.race.contest import ALL, BARE_CHUNKS, BARE_LOOP, PRODUCT, PRODUCT_TWICE, Contestant, Track
from benchmarks.race.heats import Plan, prepare_topic, run_heat
from benchmarks.race.inputs import shoppers
from benchmarks.race.report import Results, as_markdown, summary, write
from ubi_stream.errors import UbiError
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.settings import Settings

OUT = Path("benchmarks") / "results"
FULL = Plan(events=2_000_000, others_events=50_000, users=50_000, rounds=3, restart=True)
QUICK = Plan(events=60_000, others_events=6_000, users=50_000, rounds=1, restart=False)
FULL_RATES, QUICK_RATES = (1_000, 5_000, 10_000), (5_000,)
"""Offered loads, events a second."""
FULL_SECONDS, QUICK_SECONDS = 60.0, 10.0
PARTS = ("race", "cards", "stages", "load", "users", "scaling", "pressure")
QUICK_PARTS = ("race", "stages", "load")
WORKERS, PARTITIONS, USERS = (1, 2, 4), (4, 8, 16), (10_000, 100_000, 200_000, 1_000_000)
_STAGE_EVENTS = 30_000
_USERS_EVENTS = 50_000
STORES = ("memory", "rocksdb")


def say(text: str) -> None:
    """Tell how far it is, at once."""
    print(text, flush=True)


@asynccontextmanager
async def a_track(plan: Plan, pack: str = "ecommerce", partitions: int = 4) -> AsyncIterator[Track]:
    """Servers of their own, and a topic with the plan's events."""
    with tempfile.TemporaryDirectory(prefix="ubi-race-") as name:
        folder = Path(name)
        kafka, postgres = EmbeddedKafka(folder / "kafka"), EmbeddedPostgres(folder / "postgres")
        async with kafka, postgres:
            yield await prepare_topic(kafka, postgres, folder, plan, pack, partitions)


async def race(plan: Plan, contestants: Sequence[Contestant], results: Results, pack: str = "ecommerce") -> None:
    """All contestants over one input, in rounds."""
    async with a_track(plan, pack) as track:
        for number in range(plan.rounds):
            # Whoever is first finds a cooler machine: they take turns.
            turn = number % len(contestants)
            for contestant in (*contestants[turn:], *contestants[:turn]):
                heat = await run_heat(track, contestant, plan, number)
                results.heats.append(heat)
                rate = heat.note if math.isnan(heat.events_per_s) else f"{heat.events_per_s:,.0f} events/s"
                say(f"  round {number + 1}, {contestant.name}: {rate}")


async def open_recommendations(
    plan: Plan, rates: Sequence[int], seconds: float, contestants: Sequence[Contestant], results: Results
) -> None:
    """The product alone, under each load."""
    async with a_track(plan.changed(events=0)) as track:
        for per_s, contestant in product(rates, contestants):
            measured = await latency.measure(track, contestant, per_s, seconds)
            results.latency.append(measured)
            say(f"  {contestant.name}, {per_s:,} events/s: p95 to the insight {measured.insight.p95:.0f} ms")


async def restored(plan: Plan, users: Sequence[int], stores: Sequence[str], results: Results) -> None:
    """The product with many users."""
    async with a_track(plan.changed(events=0)) as track:
        for number, store in product(users, stores):
            measured = await states.measure(track, number, _USERS_EVENTS, store)
            results.restored.append(measured)
            say(
                f"  {number:,} users, {store}: restored in {measured.restore_s:.1f} s, "
                f"{measured.bytes_per_user:,.0f} bytes each"
            )


async def scaled(plan: Plan, results: Results) -> None:
    """Workers by partitions."""
    for partitions in PARTITIONS:
        for workers in WORKERS:
            async with a_track(plan.changed(events=0), partitions=partitions) as track:
                measured = await scaling.measure(track, workers, plan.events, plan.users)
                results.scaled.append(measured)
                say(f"  {workers} workers, {partitions} partitions: {measured.cpu_s_per_million:.0f} CPU s a million")


async def pressed(plan: Plan, results: Results) -> None:
    """Slow servers."""
    async with a_track(plan) as track:
        results.pressed += await backpressure.measure(track, plan.events)


def _stages(results: Results) -> None:
    for chunk, name in ((256, stages.CHUNKED), (1, stages.ALONE)):
        events = _STAGE_EVENTS if chunk > 1 else _STAGE_EVENTS // 6
        results.stages[name] = stages.measure(Settings(_env_file=None), shoppers(events, 50_000), events, chunk)


def _parts(options: argparse.Namespace, results: Results) -> dict[str, Callable[[], object]]:
    """Everything that can be asked for, by name."""
    plan = (QUICK if options.quick else FULL).changed(
        events=options.events, others_events=options.others_events, rounds=options.rounds
    )
    part = plan.changed(events=max(1, plan.events // 10))
    entered = [one for one in ALL if one is not PRODUCT_TWICE] if options.quick else ALL
    contestants = [one for one in ALL if one.key in options.only] or entered
    products = [one for one in contestants if one.is_product]
    cards = [one for one in contestants if one in (PRODUCT, BARE_CHUNKS, BARE_LOOP)]
    rates, seconds = (QUICK_RATES, QUICK_SECONDS) if options.quick else (FULL_RATES, FULL_SECONDS)
    return {
        "race": lambda: asyncio.run(race(plan, contestants, results)),
        "cards": lambda: asyncio.run(race(part, cards, results, "payments")),
        "stages": lambda: _stages(results),
        "load": lambda: asyncio.run(open_recommendations(plan, options.rate or rates, seconds, products, results)),
        "users": lambda: asyncio.run(restored(plan, options.users or USERS, options.store or STORES, results)),
        "scaling": lambda: asyncio.run(scaled(part, results)),
        "pressure": lambda: asyncio.run(pressed(part, results)),
    }


def _guarded(name: str, work: Callable[[], object]) -> None:
    """A part that fails says so, and leaves the others their figures."""
    say(f"{name}:")
    try:
        work()
    except (UbiError, OSError, TimeoutError) as error:
        say(f"  failed: {type(error).__name__}: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit status is 1 where the product itself has no figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument("--events", type=int, help=f"on the topic; default {FULL.events:,}, quick {QUICK.events:,}")
    parser.add_argument(
        "--others-events",
        type=int,
        help=f"read by those who take one at a time; default {FULL.others_events:,}, quick {QUICK.others_events:,}",
    )
    parser.add_argument("--rounds", type=int, help=f"default {FULL.rounds}, quick {QUICK.rounds}")
    parser.add_argument("--only", action="append", default=[], choices=[one.key for one in ALL], help="repeatable")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for race.json, race.md and race.png")
    parser.add_argument(
        "--part", action="append", default=[], choices=PARTS, help="repeatable; default: all, quick three"
    )
    parser.add_argument("--rate", action="append", type=int, help="offered load in events a second; repeatable")
    parser.add_argument("--users", action="append", type=int, help="of a restore; repeatable")
    parser.add_argument("--store", action="append", choices=STORES, help="of a restore; repeatable")
    options = parser.parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients, who see topics come and go
    results = Results()
    parts = _parts(options, results)
    for name in options.part or (QUICK_PARTS if options.quick else PARTS):
        _guarded(name, parts[name])
    write(results, options.out)
    print(as_markdown(results))
    print(json.dumps(summary(results)))
    return 0 if results.of(PRODUCT) or options.part else 1


if __name__ == "__main__":
    sys.exit(main())
