"""Workers that come, go and die under load: partitions move, nothing is lost or doubled, views find their owner."""

from __future__ import annotations

from collections.abc import Callable

from support.expected import assert_exact, offline
from support.topics import Offsets
from support.waiting import eventually
from support.workers import WorkerProcess, sending
from ubi_stream.data.records import ProducerRecord
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


async def test_workers_join_leave_and_die_under_load(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    count, part = len(shop_events), len(shop_events) // 3
    first, second = make_worker("first"), make_worker("second")
    await first.started()
    async with Offsets(settings) as offsets:
        async with sending(settings, shop_events[:part], per_s=500) as sent:
            await offsets.past(part // 10)
            await second.started()
            await eventually(lambda: shared(first, second), 20, "both have partitions")
            await profiles_are_found_from_both(first, second, shop_events)
            await sent

        async with sending(settings, shop_events[part : 2 * part], per_s=1_000) as sent:
            await offsets.past(part + part // 4)
            assert await first.stop() == 0
            await first.started()
            await eventually(lambda: shared(first, second), 20, "both have partitions again")
            await sent

        async with sending(settings, shop_events[2 * part :], per_s=500) as sent:
            await offsets.past(2 * part + part // 4)
            second.kill()
            await eventually(lambda: has_all(first), 20, "the first one has the partitions of the killed one")
            await sent
        await offsets.all_committed(count)
    await assert_exact(settings, offline(settings, shop_events))


async def shared(*workers: WorkerProcess) -> bool:
    """Whether each worker is ready and has some of the users, and no two the same ones."""
    users = [await worker.metric("ubi_users") for worker in workers]
    ready = [(await worker.get("/health/ready"))[0] == 200 for worker in workers]
    return all(ready) and all(users)


def has_all(worker: WorkerProcess) -> bool:
    """Whether it is at work on all partitions, after what it was at before."""
    partitions: list[int] = worker.logged("restored")[-1]["partitions"]
    return partitions == list(range(worker.settings.partitions))


async def profiles_are_found_from_both(
    first: WorkerProcess, second: WorkerProcess, events: list[ProducerRecord]
) -> None:
    users = sorted({record.key.decode() for record in events[:100] if record.key is not None})[:12]

    async def delivered() -> list[list[str]]:
        delayed_labels = [[await worker.get(f"/api/v1/users/{user}") for user in users] for worker in (first, second)]
        return [[profile["id"] for status, profile in found if status == 200] for found in delayed_labels]

    async def all_told() -> bool:
        return await delivered() == [users, users]

    await eventually(all_told, 15, "each worker tells every profile")
