"""The faults, one function each: what is done to a run while its stream is on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from benchmarks.faults.broken_worker import DIE, FORGET, HELD, HOLD, STEPS
from benchmarks.faults.fleet import BROKEN, DRAINS_WITHIN_S, WORKER, until
from benchmarks.faults.run import Run
from ubi_stream.kafka.client import client_options
from ubi_stream.settings import Settings

_DIES_WITHIN_S: Final = 60.0
_SOAK_KILL_EVERY_S: Final = 60.0
_GRACE_S: Final = 15.0
_NON_EMPTY_GROUP: Final = 68
"""Kafka's error code; aiokafka has no class for it."""


async def kills(run: Run) -> None:
    """SIGKILL at random moments."""
    for number in range(run.context["kills"]):
        await run.past((number + 0.5) / (run.context["kills"] + 0.5) * 0.95)
        await run.change(0.6)
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
        await run.change(0.05 if number % 2 else 0.6)
        worker.kill()
        await run.goes_on()


async def deaths_between_steps(run: Run) -> None:
    """The worker dies between steps of a barrier, and each time finds more to do when it is back."""
    await _deaths(run, run.context.get("steps", STEPS), {})


async def deaths_without_idempotence(run: Run) -> None:
    """The negative control: a worker that forgets what its states contain dies before offsets are committed."""
    await _deaths(run, run.context.get("steps", ("after-states", "after-done")), {FORGET: "1"})


async def _deaths(run: Run, steps: Sequence[str], always: dict[str, str]) -> None:
    worker = run.fleet[0]
    lives = [(BROKEN, {**always, DIE: f"{step}:{run.chance.randint(1, 3)}"}) for step in steps]
    last = (BROKEN if always else WORKER, always)
    worker.module, worker.environment = lives[0]
    worker.kill()
    for number, step in enumerate(steps):
        await worker.says("ready")
        async with asyncio.TaskGroup() as both:
            both.create_task(run.send_some(1 / (len(steps) + 1)))
            await until(
                lambda deaths=number + 2: run.fleet.exits()[-signal.SIGKILL] >= deaths, _DIES_WITHIN_S, f"death {step}"
            )
            # Before it is started again:
            worker.module, worker.environment = lives[number + 1] if number + 1 < len(steps) else last
    await run.goes_on()


async def restarts(run: Run) -> None:
    """SIGTERM while there is a backlog; the worker has to flush, commit and end within 10 s."""
    worker = run.fleet[0]
    for number in range(6):
        await run.past((number + 0.5) / 8)
        await worker.restart()
        await run.goes_on()
    if set(worker.exits) != {0}:
        raise AssertionError(f"told to stop, it ended with {dict(worker.exits)}")
    run.notes.append(f"ended within {worker.drain_s:.1f} s of at most {DRAINS_WITHIN_S:.0f}")


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
    await delete_group(run.settings)
    worker.start()
    await run.goes_on()


async def broker_killed(run: Run) -> None:
    """SIGKILL of the broker; it is away for a while."""
    for share in run.context["at"]:
        await run.past(share)
        await run.change(0.5)
        await asyncio.to_thread(run.servers.kafka.kill)
        await asyncio.sleep(run.context["away_s"])
        await asyncio.to_thread(run.servers.kafka.start)
        await run.goes_on()


async def broker_paused(run: Run) -> None:
    """SIGSTOP of the broker, for longer than a session lasts."""
    await run.past(0.3)
    run.servers.kafka.pause()
    await asyncio.sleep(run.context["away_s"])
    run.servers.kafka.resume()
    await run.goes_on()


async def broker_away_at_steps(run: Run) -> None:
    """The broker is killed, or paused, in the middle of a barrier, and in the middle of a restore."""
    worker, deeds = run.fleet[0], run.context["deeds"]
    for step, deed in deeds:
        worker.module, worker.environment = BROKEN, {HOLD: f"{step}:1"}
        worker.skip_log()
        worker.kill()
        async with asyncio.TaskGroup() as both:
            both.create_task(run.send_some(1 / (len(deeds) + 1)))
            await worker.says(HELD)
            if deed == "kill":
                await asyncio.to_thread(run.servers.kafka.kill)
                await asyncio.sleep(run.context["away_s"])
                await asyncio.to_thread(run.servers.kafka.start)
            else:
                run.servers.kafka.pause()
                await asyncio.sleep(run.context["away_s"])
                run.servers.kafka.resume()
            await run.goes_on()
    worker.module, worker.environment = WORKER, {}


async def postgres_killed(run: Run) -> None:
    """SIGKILL of Postgres; scoring must go on meanwhile."""
    await run.past(0.25)
    await asyncio.to_thread(run.servers.postgres.kill)
    await run.goes_on()  # offsets are committed without a database
    await asyncio.sleep(run.context["away_s"])
    await asyncio.to_thread(run.servers.postgres.start)
    await run.stores_again()


async def postgres_paused(run: Run) -> None:
    """SIGSTOP of Postgres: connections stay, nothing answers."""
    await run.past(0.25)
    run.servers.postgres.pause()
    await run.goes_on()
    await asyncio.sleep(run.context["away_s"])
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
        await run.change(0.5)
        run.fleet[0].pause()
        await asyncio.sleep(run.settings.session_timeout_s + 1.0)
        await run.goes_on()
        await asyncio.sleep(2.0)
        run.fleet[0].resume()
        await run.goes_on()


async def all_at_once(run: Run) -> None:
    """Broker, database and worker die at the same moment."""
    await run.past(0.35)
    run.fleet[0].kill()
    await asyncio.gather(asyncio.to_thread(run.servers.kafka.kill), asyncio.to_thread(run.servers.postgres.kill))
    await asyncio.sleep(5.0)
    await asyncio.gather(asyncio.to_thread(run.servers.kafka.start), asyncio.to_thread(run.servers.postgres.start))
    await run.goes_on()


async def slow_database(run: Run) -> None:
    """Every answer of the database takes 200 ms longer, and connections break."""
    proxy = run.context["proxy"]
    proxy.delay_s = 0.1
    for share in (0.3, 0.5, 0.7):
        await run.past(share)
        proxy.take_checkpoint()
    await run.past(0.8)
    proxy.delay_s = 0.0


async def soak(run: Run) -> None:
    """One kill a minute, for as long as the stream lasts; memory is watched in between."""
    lives: list[list[tuple[float, float]]] = [[]]
    loop = asyncio.get_running_loop()
    killed_s = loop.time()
    while await run.watch.events_committed() < 0.97 * run.total:
        await asyncio.sleep(2.0)
        lives[-1].append((loop.time(), run.fleet[0].memory_mb()))
        if loop.time() - killed_s >= _SOAK_KILL_EVERY_S:
            run.fleet[0].kill()
            killed_s = loop.time()
            await run.goes_on()
            lives.append([])
    highest = [max(size for _, size in life) for life in lives if life]
    later = highest[len(highest) // 2 :]  # by then nearly all users have come
    run.notes.append(f"{len(lives) - 1} kills; memory {slope_per_life(later):+.2f} MiB a minute in the second half")


def slope_per_life(highest_mb: Sequence[float]) -> float:
    """How much more memory each life took at most than the one before it: least squares; 0 for less than three."""
    count = len(highest_mb)
    if count < 3:
        return 0.0
    middle, middle_mb = (count - 1) / 2, sum(highest_mb) / count
    xy = sum((number - middle) * (size - middle_mb) for number, size in enumerate(highest_mb))
    return xy / sum((number - middle) ** 2 for number in range(count))


async def delete_group(settings: Settings) -> None:
    """Forget a group and its offsets; waits until the session of its last static member is over."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        async with asyncio.timeout(settings.session_timeout_s + _GRACE_S):
            while True:
                # aiokafka has the request, but no method for it.
                coordinator = await admin.find_coordinator(settings.app_id)
                answer = await admin._send_request_to_node(coordinator, DeleteGroupsRequest([settings.app_id]))
                if answer.results[0][1] != _NON_EMPTY_GROUP:
                    return
                await asyncio.sleep(0.2)
    finally:
        await admin.close()
