"""Users who log in under a worker that is killed: each event counts once, for the user, in any partition."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import aiohttp

from support.topics import Offsets, read_states
from support.waiting import eventually
from support.workers import WorkerProcess, send
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.identity import identity_event
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
USERS = 30


def viewed(user: str, at_ms: int, number: int) -> ProducerRecord:
    event = {"event_id": f"{user}-{number}", "event_time": at_ms, "event_type": "view", "user_id": user}
    return ProducerRecord(user.encode(), json.dumps(event).encode())


def identified(number: int, at_ms: int, kind: str = "$identify") -> ProducerRecord:
    anonymous = f"anon-{number}"
    value = identity_event(kind, f"{kind}/{anonymous}", at_ms, f"u-{number}", anonymous)
    return ProducerRecord(anonymous.encode(), value)


async def test_who_logs_in_is_one_user_over_a_kill(settings: Settings, make_worker: MakeWorker) -> None:
    now_ms = SystemClock().now_ms()
    before = [viewed(f"anon-{n}", now_ms - 60_000 + k, k) for n in range(USERS) for k in range(4)]
    before += [viewed(f"u-{n}", now_ms - 50_000, k) for n in range(0, USERS, 2) for k in range(3)]
    logins = [identified(n, now_ms - 40_000) for n in range(USERS)]
    late = [viewed(f"anon-{n}", now_ms - 30_000 + k, 10 + k) for n in range(USERS) for k in range(2)]
    after = [viewed(f"u-{n}", now_ms - 20_000, 20) for n in range(USERS)]
    expected = Counter({f"u-{n}": 7 + 3 * (n % 2 == 0) for n in range(USERS)})

    worker = await make_worker().started()
    await send(settings, [*before, *logins[: USERS // 2]])
    async with Offsets(settings) as offsets:
        await offsets.past(len(before) // 2)
        worker.kill()  # somewhere between what it decided and what it sent
        await send(settings, [*logins[USERS // 2 :], *late, *after])
        await worker.started()

        async def all_is_counted() -> bool:
            states = await read_states(settings)
            return {user: states[user].events for user in expected if user in states} == expected

        await eventually(all_is_counted, 30, "each event counts for its user")
        await offsets.all_committed(len(before) + len(logins) + len(late) + len(after))
    states = await read_states(settings)
    assert {user: state.events for user, state in states.items() if not state.merged_into} == expected
    status, profile = await worker.get("/api/v1/users/anon-1")  # leads to its user
    assert (status, profile["id"], [one["id"] for one in profile["identities"]]) == (200, "u-1", ["anon-1"])
    url, body = f"{worker.url}/api/v1/users/u-1/split", {"previous_id": "anon-1"}
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        assert answer.status == 202, await answer.text()

    async def both_are_known() -> bool:
        found = [await worker.get(f"/api/v1/users/{user}") for user in ("u-1", "anon-1")]
        return [(status, body.get("counters", {}).get("events")) for status, body in found] == [(200, 3), (200, 4)]

    await eventually(both_are_known, 20, "the anonymous profile is given back; what came after the merge stays")
    assert await worker.stop() == 0
