"""The faults, one function each: what is done to a run while its stream is on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr

from benchmarks.faults.fleet import WITHOUT_IDEMPOTENCE, WORKER
from benchmarks.faults.run import Run
from benchmarks.faults.topics import read_topic
from tables import partitions as partition_tables
from tables import states as state_tables
from ubi_stream.replay.chaos import ChaosOptions
from ubi_stream.runtime.kafka_client import client_options

Fault = Callable[[Run], Awaitable[None]]
_READY_WITHIN_S: Final = 90.0


async def none(run: Run) -> None:
    """Nothing happens: the stream itself is the fault."""


async def kills(run: Run) -> None:
    """SIGKILL at random moments."""
    for number in range(run.facts["kills"]):
        await run.past((number + 0.5) / (run.facts["kills"] + 0.5) * 0.95)
        await run.moment(0.6)
        run.fleet[0].kill()
        await run.goes_on()


async def kills_in_restore(run: Run) -> None:
    """SIGKILL within 50 ms of ready, and between the start and the end of a restore."""
    worker = run.fleet[0]
    for number in range(6):
        await run.past((number + 0.5) / 8)
        worker.skip_log()
        worker.kill()
        await worker.says("ready" if number % 2 else "starting")
        await run.moment(0.05 if number % 2 else 0.6)
        worker.kill()
        await run.goes_on()


async def restarts(run: Run) -> None:
    """SIGTERM while there is a backlog."""
    for number in range(6):
        await run.past((number + 0.5) / 8)
        await run.fleet[0].restart()
        await run.goes_on()


async def all_killed(run: Run) -> None:
    """Three workers, killed at once, twice."""
    for share in (0.3, 0.6):
        await run.past(share)
        for worker in run.fleet.workers:
            worker.kill()
        await run.goes_on()


async def cold_group(run: Run) -> None:
    """The group's committed offsets are gone, its tables are full: the whole log comes again."""
    await run.past(0.5)
    worker = run.fleet[0]
    await worker.stop()
    admin = AIOKafkaAdminClient(**client_options(run.settings))
    await admin.start()
    try:
        await admin.delete_consumer_groups([run.settings.app_id])
    finally:
        await admin.close()
    worker.start()
    await run.goes_on()


async def broker_killed(run: Run) -> None:
    """SIGKILL of the broker; it is away for a while."""
    for share in run.facts["at"]:
        await run.past(share)
        await run.moment(0.5)
        await asyncio.to_thread(run.servers.kafka.kill)
        await asyncio.sleep(run.facts["away_s"])
        await asyncio.to_thread(run.servers.kafka.start)
        await run.goes_on()


async def broker_paused(run: Run) -> None:
    """SIGSTOP of the broker, for longer than a session lasts."""
    await run.past(0.3)
    run.servers.kafka.pause()
    await asyncio.sleep(run.facts["away_s"])
    run.servers.kafka.resume()
    await run.goes_on()


async def postgres_killed(run: Run) -> None:
    """SIGKILL of Postgres; scoring must go on meanwhile."""
    await run.past(0.25)
    await asyncio.to_thread(run.servers.postgres.kill)
    run.facts["recoveries_from"] = len(run.recoveries)
    await run.goes_on()  # offsets are committed without a database
    await asyncio.sleep(run.facts["away_s"])
    await asyncio.to_thread(run.servers.postgres.start)
    await run.stores_again()


async def postgres_paused(run: Run) -> None:
    """SIGSTOP of Postgres: connections stay, nothing answers."""
    await run.past(0.25)
    run.servers.postgres.pause()
    await run.goes_on()
    await asyncio.sleep(run.facts["away_s"])
    run.servers.postgres.resume()
    await run.stores_again()


async def one_three_one(run: Run) -> None:
    """Workers 1 -> 3 -> 1 under load."""
    await run.past(0.2)
    await run.fleet.grow(3)
    await run.past(0.55)
    await run.fleet.shrink(1)
    await run.goes_on()


async def zombie(run: Run) -> None:
    """A worker is paused past its session, others take over; then it goes on as if nothing had happened."""
    for share in (0.2, 0.5):
        await run.past(share)
        await run.moment(0.5)
        run.fleet[0].pause()
        await asyncio.sleep(run.settings.session_timeout_s + 1.0)
        await run.goes_on()
        await asyncio.sleep(2.0)
        run.fleet[0].resume()
        await run.goes_on()


async def corrupt_changelog(run: Run) -> None:
    """Records on the changelogs that nobody could have written: noise, halves, other versions."""
    await run.past(0.4)
    worker = run.fleet[0]
    await worker.stop()
    noise = random.Random(run.chance.random())
    producer = AIOKafkaProducer(**client_options(run.settings), acks="all", max_request_size=8 * 1024 * 1024)
    await producer.start()
    try:
        for table in (state_tables.name("user"), partition_tables.name("user")):
            topic = run.settings.changelog_topic(table)
            written = [record for record in await read_topic(run.settings, topic) if record.value]
            for record in noise.sample(written, min(12, len(written))):
                assert record.value is not None, "those without were left out"
                for value in (noise.randbytes(200), record.value[: len(record.value) // 2], b""):
                    await producer.send_and_wait(topic, value, key=record.key, partition=record.partition)
        for number in range(run.settings.partitions):
            await producer.send_and_wait(topic, b"no key", partition=number)
    finally:
        await producer.stop()
    worker.start()
    await run.goes_on()
    if not worker.said("changelog_record_unreadable"):
        raise AssertionError("unreadable records were not refused")


async def another_snapshot_key(run: Run) -> None:
    """The models' signatures don't fit any more: they are refused, and start fresh."""
    await run.past(0.4)
    run.fleet.use(snapshot_key=SecretStr("another key"))
    await run.fleet[0].restart()
    await run.goes_on()


async def two_at_once(run: Run) -> None:
    """Broker, database and worker die at the same moment."""
    await run.past(0.35)
    run.fleet[0].kill()
    await asyncio.gather(asyncio.to_thread(run.servers.kafka.kill), asyncio.to_thread(run.servers.postgres.kill))
    await asyncio.sleep(5.0)
    await asyncio.gather(asyncio.to_thread(run.servers.kafka.start), asyncio.to_thread(run.servers.postgres.start))
    await run.goes_on()


async def slow_database(run: Run) -> None:
    """Every answer of the database takes 200 ms longer, and connections break."""
    proxy = run.facts["proxy"]
    proxy.delay_s = 0.1
    for share in (0.3, 0.5, 0.7):
        await run.past(share)
        proxy.cut()
    await run.past(0.8)
    proxy.delay_s = 0.0


async def soak(run: Run) -> None:
    """One kill a minute, for as long as the stream lasts; memory is watched in between."""
    samples: list[list[tuple[float, float]]] = [[]]
    loop = asyncio.get_running_loop()
    killed_s = loop.time()
    run.facts["memory"] = samples
    while await run.watch.events_committed() < 0.97 * run.total:
        await asyncio.sleep(2.0)
        samples[-1].append((loop.time(), run.fleet[0].memory_mb()))
        if loop.time() - killed_s >= 60:
            run.fleet[0].kill()
            killed_s = loop.time()
            await run.goes_on()
            samples.append([])


@dataclass(frozen=True)
class Scenario:
    """A fault, and the stream that it happens to.

    Attributes
    ----------
    how
        For the table.
    stream
        Which stream; an input file takes the place of both.
    exact
        Whether insights can be compared with a reference: not where the broker chooses the order between topics, or
        models are started anew on purpose.
    per_s
        Pace of the stream; a backlog builds up where it is more than a worker takes.
    """

    name: str
    how: str
    fault: Fault
    stream: Literal["shoppers", "payments"] = "payments"
    workers: int = 1
    per_s: float = 2_000.0
    chaos: ChaosOptions | None = None
    wrong_keys: bool = False
    exact: bool = True
    slow_proxy: bool = False
    module: tuple[str, ...] = WORKER
    settings: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


_TROUBLE = ChaosOptions(
    duplicates=0.10, out_of_order=0.20, late=0.05, duplicate_within_ms=7_200_000, out_of_order_ms=300_000
)
_POISON = ChaosOptions(poison=0.05)

FULL: Final = (
    Scenario("worker killed", "SIGKILL at 20 random moments", kills, facts={"kills": 20}, per_s=1_200),
    Scenario(
        "killed while restoring", "SIGKILL within 50 ms of ready, and during a restore", kills_in_restore, "shoppers"
    ),
    Scenario("restarts with a backlog", "SIGTERM, 6 times", restarts, per_s=6_000),
    Scenario("all workers killed", "SIGKILL of 3 at once, twice, on empty disks", all_killed, "shoppers", workers=3),
    Scenario("cold group", "committed offsets deleted, tables full", cold_group),
    Scenario("broker killed", "SIGKILL, back after 30 s", broker_killed, facts={"at": (0.3,), "away_s": 30}),
    Scenario(
        "broker restarted",
        "SIGKILL, back at once, twice",
        broker_killed,
        "shoppers",
        facts={"at": (0.3, 0.6), "away_s": 0},
    ),
    Scenario("broker paused", "SIGSTOP for 60 s", broker_paused, "shoppers", facts={"away_s": 60}),
    Scenario(
        "Postgres killed", "SIGKILL, back after 60 s", postgres_killed, "shoppers", facts={"away_s": 60}, per_s=1_200
    ),
    Scenario("Postgres paused", "SIGSTOP for 40 s", postgres_paused, facts={"away_s": 40}),
    Scenario("workers 1 -> 3 -> 1", "under load", one_three_one, per_s=1_500),
    Scenario("zombie", "SIGSTOP past the session, then SIGCONT, twice", zombie, "shoppers", workers=2, per_s=1_500),
    Scenario(
        "disorder",
        "10 % duplicates, 20 % out of order, 5 % late; 3 kills",
        kills,
        "shoppers",
        chaos=_TROUBLE,
        facts={"kills": 3},
    ),
    Scenario(
        "wrong and null keys",
        "10 % of users, 5 % of records; 3 kills",
        kills,
        "shoppers",
        wrong_keys=True,
        exact=False,
        facts={"kills": 3},
    ),
    Scenario("poison", "5 %, of every kind; 3 kills", kills, chaos=_POISON, facts={"kills": 3}),
    Scenario("corrupt changelog", "noise, halves, no key", corrupt_changelog, "shoppers"),
    Scenario("another snapshot key", "models refused", another_snapshot_key, exact=False),
    Scenario("three faults at once", "worker, broker and Postgres killed together", two_at_once),
    Scenario("slow database", "200 ms on each answer, connections cut", slow_database, "shoppers", slow_proxy=True),
)

QUICK: Final = (
    Scenario("worker killed", "SIGKILL at 3 random moments", kills, facts={"kills": 3}, per_s=600),
    Scenario(
        "broker restarted", "SIGKILL, back after 5 s", broker_killed, facts={"at": (0.4,), "away_s": 5}, per_s=800
    ),
    Scenario("Postgres killed", "SIGKILL, back after 8 s", postgres_killed, "shoppers", facts={"away_s": 8}, per_s=600),
    Scenario(
        "duplicates and poison",
        "10 % duplicates, 5 % poison; 1 kill",
        kills,
        "shoppers",
        chaos=ChaosOptions(duplicates=0.10, poison=0.05, duplicate_within_ms=7_200_000),
        facts={"kills": 1},
        per_s=800,
    ),
)

CONTROL: Final = Scenario(
    "control", "idempotence switched off; 4 kills", kills, module=WITHOUT_IDEMPOTENCE, facts={"kills": 4}, per_s=500
)
"""Must not be clean."""


def soaking(minutes: float, per_s: float = 2_000) -> Scenario:
    """The soak, as long as asked for."""
    return Scenario(f"soak, {minutes:g} min", f"{per_s:g} events/s, one kill a minute", soak, "shoppers", per_s=per_s)
