"""A topic in a sender's own form: a worker makes of it what the offline run makes of the file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.expected import offline, read_insights
from support.topics import Offsets, read_states
from support.workers import WorkerProcess, send
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
USERS, ROWS, START_S = 12, 1_500, 1_764_000_000


def calls() -> list[dict[str, Any]]:
    """Track calls of some people in the order of time; some are of types that the pack does not take, some identify."""
    rng = random.Random(5)
    types = ["Product Viewed"] * 12 + ["Product Added"] * 3 + ["Order Completed", "Page Viewed", "Scrolled"]
    rows, time_s = [], START_S
    for number in range(ROWS):
        time_s += rng.randint(1, 400)
        user = f"u-{rng.randrange(USERS)}"
        row: dict[str, Any] = {
            "type": "identify" if number % 50 == 0 else "track",
            "event": rng.choice(types),
            "anonymousId": f"a-{user}",
            "userId": user,
            "timestamp": datetime.fromtimestamp(time_s, UTC).isoformat(),
            "properties": {"price": rng.randint(1, 900), "category": rng.choice("abc")},
        }
        rows.append(row | ({"messageId": f"m-{number}"} if number % 3 == 0 else {}))
    return rows


async def test_a_topic_of_track_calls_gives_the_results_of_the_file(
    settings: Settings, make_worker: MakeWorker, tmp_path: Path
) -> None:
    rows = calls()
    lines = [json.dumps(row).encode() for row in rows]
    (tmp_path / "calls.jsonl").write_bytes(b"\n".join(lines))
    with ReplaySource(tmp_path / "calls.jsonl", "segment") as source:
        expected = offline(settings, source)
        left_out = source.left_out.total()
    assert len(expected.insights) > 10
    assert expected.tally.dead_letters.total() > 50
    assert left_out == ROWS / 50

    worker = await make_worker(events_mapping="segment").started()
    await send(
        worker.settings,
        [ProducerRecord(row["userId"].encode(), line) for row, line in zip(rows, lines, strict=True)],
    )
    async with Offsets(worker.settings) as offsets:
        await offsets.past(ROWS)
    assert await worker.metric('ubi_events_total{event_type="any",outcome="unwanted",pack="ecommerce"}') == left_out
    states = await read_states(worker.settings)
    assert states.keys() == {f"u-{number}" for number in range(USERS)}
    for user, state in states.items():
        mine = expected.state(user)
        assert mine is not None
        assert (state.first_ms, state.last_ms, state.events) == (mine.first_ms, mine.last_ms, mine.events)
        assert (state.hours, state.amount, state.recent_ids) == (mine.hours, mine.amount, mine.recent_ids)
    found = await read_insights(settings)
    delivered = {id_: comparable(content) for id_, contents in found.items() for content in contents}
    assert delivered == {id_: comparable(content) for id_, content in expected.insights.items()}


@pytest.mark.parametrize("mapping", ["card_payments", "nowhere.toml"])
async def test_a_mapping_that_a_topic_can_not_have_is_refused_at_the_start(
    make_worker: MakeWorker, mapping: str
) -> None:
    worker = make_worker(events_mapping=mapping)
    worker.start()
    assert await worker.ended() == 64
    assert mapping in worker.log_tail()


def comparable(content: bytes) -> dict[str, Any]:
    """An insight without where its record lies: rows that are left out have a place on a topic, and none in a file."""
    insight: dict[str, Any] = msgspec.json.decode(content)
    insight["data"].pop("source")
    return insight
