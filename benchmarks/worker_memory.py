"""What a worker's memory comes to: `python -m benchmarks.worker_memory --users 100000 --events-per-user 6`.

Starts Kafka, Postgres and a worker as `ubi demo` does, sends views, carts and purchases of that many users, and waits
until all is processed and stored. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.data.sender import Sender
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.demo.stack import Stack, running_stack
from ubi_stream.operations.demo.topics import watching
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings

_START_MS = 1_760_000_000_000
_HOUR_MS = 3_600_000


def events(users: int, per_user: int, seed: int) -> Iterator[ProducerRecord]:
    """`per_user` rounds of one event of every user; a round is an hour."""
    rng = random.Random(seed)
    for turn in range(per_user):
        for user in range(users):
            time_ms = _START_MS + turn * _HOUR_MS + user * _HOUR_MS // users
            kind = rng.choices(("view", "cart", "purchase"), (90, 7, 3))[0]
            event = {
                "event_id": f"{user}-{turn}",
                "event_time": time_ms,
                "event_type": kind,
                "user_id": f"user-{user}",
                "session_id": f"{user}-{turn // 3}",
                "properties": {"price": round(rng.lognormvariate(3, 1), 2), "category": f"c{rng.randrange(40)}"},
            }
            yield record_of(event, time_ms)


def _resident_mb() -> dict[str, float]:
    """Resident memory of the processes that this one started, in MiB: the worker is the Python among them."""
    children = psutil.Process().children(recursive=True)
    return {
        "worker_mb": sum(
            child.memory_info().rss / 2**20 for child in children if "ubi_stream.cli.main" in " ".join(child.cmdline())
        )
    }


async def _send(stack: Stack, users: int, per_user: int, seed: int) -> int:
    producer = AIOKafkaProducer(**client_options(stack.settings), acks="all", linger_ms=5, max_batch_size=262_144)
    await producer.start()
    try:
        sender = Sender(producer, stack.settings.events_topic, SystemClock())
        report = await sender.send(events(users, per_user, seed))
        return report.acknowledged
    finally:
        await producer.stop()


async def _gauges(url: str, *names: str) -> list[float]:
    """Values of gauges without labels, from the worker's metrics."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        values = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
    return [values[name] for name in names]


async def _run(users: int, per_user: int, seed: int) -> dict[str, float]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="ubi-bench-") as folder:
        async with running_stack(Settings(), Path(folder), clock, say=print) as stack:
            empty = _resident_mb()["worker_mb"]
            started_s = clock.monotonic_s()
            sent = await _send(stack, users, per_user, seed)
            async with watching(stack.settings, load_pack(stack.settings.pack), clock) as topics:
                await topics.until_settled(stack.check_alive, clock)
            seconds = clock.monotonic_s() - started_s
            state_bytes, known = await _gauges(stack.url, "ubi_state_bytes", "ubi_users")
            return {
                "users": users,
                "events": sent,
                "events_per_second": round(sent / seconds),
                "state_bytes_per_user": round(state_bytes / known),
                "worker_mb_empty": round(empty),
                "worker_mb": round(_resident_mb()["worker_mb"]),
            }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events-per-user", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(_run(arguments.users, arguments.events_per_user, arguments.seed))))


if __name__ == "__main__":
    main()
