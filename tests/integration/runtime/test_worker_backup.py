"""A backup that is taken under load, and restored where everything was lost, leaves what one run would have left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from support.expected import assert_exact, offline
from support.losing import forget_group, lose_topics
from support.running_ubi import RunningUbi
from support.topics import Offsets
from support.workers import WorkerProcess, send, sending, worker_environment
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.operations.backup import back_up
from ubi_stream.operations.cluster import changelogs
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


async def ubi(folder: Path, settings: Settings, *arguments: str | Path) -> RunningUbi:
    """Run a command to its end."""
    words = [str(argument) for argument in arguments]
    running = RunningUbi(folder, words, worker_environment(settings))
    try:
        await asyncio.to_thread(running.wait, 60)
    finally:
        running.kill()
    return running


async def test_a_backup_under_load_is_restored_where_all_state_was_lost(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    count = len(shop_events)
    file = tmp_path / "state.ubi"
    worker = await make_worker().started()
    async with Offsets(settings) as offsets:
        async with sending(settings, shop_events[: count - 1_000], per_s=1_000) as sent:
            await offsets.past(count // 3)
            taken = await back_up(settings, load_pack(settings.pack), file, SystemClock())
            assert await offsets.events_committed() < count - 1_000, "it was taken in the middle"
            assert (taken.states > 100, taken.tasks, taken.quarantined) == (True, settings.partitions, 0)
            assert await sent == count - 1_000
            await offsets.all_committed(count - 1_000)
        running = await ubi(tmp_path, settings, "restore", file)
        assert (running.process.returncode, "stop all workers" in running.err) == (65, True)
        assert await worker.stop() == 0

        again = await ubi(tmp_path, settings, "backup", file)
        assert (again.process.returncode, "exists" in again.err) == (64, True)
        full = await ubi(tmp_path, settings, "restore", file)
        assert (full.process.returncode, "are not empty" in full.err) == (65, True)
        await lose_topics(settings, changelogs(settings, load_pack(settings.pack)))
        await forget_group(settings)
        elsewhere = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}.other"})
        refused = await ubi(tmp_path, elsewhere, "restore", file)
        assert (refused.process.returncode, "--new-topics" in refused.err) == (65, True)

        restored = await ubi(tmp_path, settings, "restore", file, "--json")
        assert restored.process.returncode == 0, restored.err
        summary = json.loads(restored.out)
        assert summary["to_process"] > 0
        assert (summary["expired"], summary["not_in_states"]) == (0, 0)
        assert await send(settings, shop_events[count - 1_000 :]) == 1_000
        await worker.started()
        await offsets.all_committed(count)
    await assert_exact(settings, offline(settings, shop_events))
    assert await worker.stop() == 0
