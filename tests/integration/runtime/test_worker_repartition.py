"""From four partitions to six: each user's state goes where the user's events go now, and nothing counts twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from support.expected import in_postgres, offline, read_insights
from support.losing import admin_of
from support.running_ubi import RunningUbi
from support.topics import Offsets, read_states
from support.workers import WorkerProcess, send, worker_environment
from ubi_stream.data.records import ProducerRecord
from ubi_stream.settings import Settings
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState

MakeWorker = Callable[..., WorkerProcess]
BEFORE, AFTER = 4, 6
HALF, ALL = 2_000, 3_000


async def test_states_move_with_their_users(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    async def ubi(*words: str) -> RunningUbi:
        running = RunningUbi(tmp_path, list(words), worker_environment(settings))
        try:
            await asyncio.to_thread(running.wait, 60)
        finally:
            running.kill()
        return running

    worker = await make_worker().started()
    async with Offsets(settings) as offsets:
        await send(settings, shop_events[:HALF])
        await offsets.all_committed(HALF)
    running = await ubi("repartition", "--partitions", str(AFTER))
    assert (running.process.returncode, "stop all workers" in running.err) == (65, True)
    assert await worker.stop() == 0

    wider = make_worker("wider", partitions=AFTER)
    wider.start()
    assert await wider.ended() == 65
    assert f"ubi repartition --partitions {AFTER}" in " ".join(wider.log_tail().split())

    often = Counter(record.key for record in shop_events[HALF:ALL])
    at = next(at for at in range(HALF, ALL) if often[shop_events[at].key] == 1)
    await send(settings, [shop_events[at]])  # the only one of its user, so that nothing overtakes it
    waiting = await ubi("repartition", "--partitions", str(AFTER))
    assert (waiting.process.returncode, "are not processed yet" in waiting.err) == (65, True)
    moved = await ubi("repartition", "--partitions", str(AFTER), "--with-backlog", "--json")
    assert moved.process.returncode == 0, moved.err
    summary = json.loads(moved.out)
    states = await read_states(settings.model_copy(update={"partitions": AFTER}))
    assert (summary["before"], summary["partitions"], summary["backlog"]) == (BEFORE, AFTER, 1)
    assert summary["states"] == len(states)
    assert 0.5 < summary["moved"] / summary["states"] < 0.85, "of twelve residues, four are the same of four and of six"
    again = await ubi("repartition", "--partitions", str(AFTER))
    assert (again.process.returncode, "not take any away" in again.err) == (65, True)

    await wider.started()
    assert not wider.logged("models_not_restored_or_kept")
    await send(settings, shop_events[HALF:at] + shop_events[at + 1 : ALL])
    async with Offsets(wider.settings) as offsets:
        await offsets.all_committed(ALL)
    await in_postgres(wider.settings, (await read_insights(wider.settings)).keys())
    assert await wider.stop() == 0
    states = await read_states(wider.settings)
    expected = offline(settings, shop_events[:ALL])
    assert {user: state.events for user, state in states.items()} == Counter(
        record.key.decode() for record in shop_events[:ALL] if record.key is not None
    )
    assert [user for user, state in states.items() if own(state) != own(expected.state(user))] == []
    assert await homes(wider.settings) == set(range(AFTER))


def own(state: UserState | None) -> UserState:
    """What a state holds of the user's own events: not what was told and asked, nor by which way they came."""
    assert state is not None
    return msgspec.structs.replace(state, history=InsightHistory(), pending_predictions=[], forwarded={})


async def homes(settings: Settings) -> set[int]:
    """Partition numbers of the events topic as the broker has them."""
    async with admin_of(settings) as admin:
        topics = {topic["topic"]: topic for topic in await admin.describe_topics()}
    return {part["partition"] for part in topics[settings.events_topic]["partitions"]}
