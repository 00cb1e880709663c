"""Workers that come, go and die under load: partitions move, nothing is lost or doubled, views find their owner."""

from __future__ import annotations

from collections.abc import Callable

from support.expected import assert_exact, offline
from support.waiting import eventually
from support.workers import Offsets, WorkerProcess, sending
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


async def test_workers_join_leave_and_die_under_load(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    count = len(shop_events)
    first, second = make_worker("first"), make_worker("second")
    await first.started()
    async with Offsets(settings) as offsets, sending(settings, shop_events, per_s=600) as sent:
        await offsets.past(count // 20)
        await second.started()
        await eventually(lambda: shared(first, second), 20, "both have partitions")
        await profiles_are_found_from_both(first, second, shop_events)

        await offsets.past(count // 4)
        assert await first.stop() == 0
        await offsets.past(count // 3)
        await first.started()
        await eventually(lambda: shared(first, second), 20, "both have partitions again")
        await offsets.past(count // 2)
        second.kill()
        assert await sent == count
        await offsets.all_committed(count)
    assert first.running
    await assert_exact(settings, offline(settings, shop_events))


async def shared(*workers: WorkerProcess) -> bool:
    """Whether each worker is ready and has some of the users, and no two the same ones."""
    users = [await worker.metric("ubi_users") for worker in workers]
    ready = [(await worker.get("/health/ready"))[0] == 200 for worker in workers]
    return all(ready) and all(users)


async def profiles_are_found_from_both(
    first: WorkerProcess, second: WorkerProcess, events: list[ProducerRecord]
) -> None:
    users = sorted({record.key.decode() for record in events[:100] if record.key is not None})[:12]

    async def told() -> list[list[str]]:
        answers = [[await worker.get(f"/api/v1/users/{user}") for user in users] for worker in (first, second)]
        return [[profile["id"] for status, profile in found if status == 200] for found in answers]

    async def all_told() -> bool:
        return await told() == [users, users]

    await eventually(all_told, 15, "each worker tells every profile")
