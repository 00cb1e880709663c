"""Events wait in bounded space, go in batches, and a collector's trouble is nobody else's."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from support.tracked import OK, PlayedCollector, StuckCollector, batcher_to
from support.waiting import eventually
from ubi_stream.contrib import batcher as module
from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.transport import HttpReply


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.01)


def ids(collector: PlayedCollector) -> list[str]:
    return [event["event_id"] for event in collector.accepted]


async def test_a_full_batch_goes_at_once_and_the_rest_at_the_end() -> None:
    collector = PlayedCollector()
    batcher = batcher_to(collector, batch_size=3, flush_interval_s=60)
    for number in range(4):
        assert batcher.add({"event_id": str(number)})
    await eventually(lambda: len(collector.accepted) >= 3)
    batcher.add({"event_id": "4"})
    await batcher.close()
    assert ids(collector) == ["0", "1", "2", "3", "4"]
    assert all(event["sent_at"] > 0 for event in collector.accepted)
    assert collector.closed
    assert (batcher.counts.sent, batcher.counts.dropped) == (5, 0)


async def test_a_lonely_event_waits_for_the_interval_alone() -> None:
    collector = PlayedCollector()
    batcher = batcher_to(collector, flush_interval_s=0.01)
    batcher.add({"event_id": "0"})
    await eventually(lambda: ids(collector) == ["0"])
    await batcher.close()


@pytest.mark.parametrize("trouble", [None, HttpReply(429, retry_after_s=0), HttpReply(503), HttpReply(500)])
async def test_what_got_no_good_answer_is_sent_again_with_the_same_ids_and_in_order(trouble: HttpReply | None) -> None:
    collector = PlayedCollector(trouble, trouble, OK)
    batcher = batcher_to(collector, batch_size=2)
    for number in range(5):
        batcher.add({"event_id": str(number)})
    await eventually(lambda: len(collector.accepted) >= 4)
    await batcher.close()
    assert ids(collector) == ["0", "1", "2", "3", "4"]
    assert batcher.status()["status"] == "ok"


async def test_while_the_collector_is_away_what_is_over_the_limit_is_dropped_and_counted() -> None:
    batcher = batcher_to(PlayedCollector(None), batch_size=1, max_buffered=3)
    taken = [batcher.add({"event_id": str(number)}) for number in range(5)]
    assert taken == [True, True, True, False, False]
    await eventually(lambda: batcher.status()["status"] == "unreachable")
    assert batcher.status()["current_batch_count"] == 3
    await batcher.close(within_s=0.05)
    assert (batcher.counts.captured, batcher.counts.sent, batcher.counts.dropped) == (5, 0, 5)


async def test_a_collector_that_never_answers_does_not_hold_up_the_end() -> None:
    batcher = batcher_to(StuckCollector(), batch_size=1)
    batcher.add({"event_id": "0"})
    await asyncio.wait_for(batcher.close(within_s=0.05), 5)
    assert batcher.counts.dropped == 1


async def test_what_the_collector_does_not_want_is_counted_and_not_sent_again() -> None:
    collector = PlayedCollector(HttpReply(400), HttpReply(200, rejected=1), OK)
    batcher = batcher_to(collector, batch_size=2)
    for number in range(4):
        batcher.add({"event_id": str(number)})
        await asyncio.sleep(0)
    await eventually(lambda: batcher.counts.sent + batcher.counts.rejected == 4)
    await batcher.close()
    assert batcher.counts.rejected == 4 - batcher.counts.sent > 0
    assert sum(map(len, collector.posted)) == 4


async def test_a_request_that_is_too_large_is_halved() -> None:
    collector = PlayedCollector(HttpReply(413), HttpReply(413), OK)
    batcher = batcher_to(collector, batch_size=8)
    for number in range(8):
        batcher.add({"event_id": str(number)})
    await eventually(lambda: len(collector.accepted) == 8)
    await batcher.close()
    assert ids(collector) == [str(number) for number in range(8)]


async def test_what_no_json_can_hold_is_counted() -> None:
    batcher = batcher_to(PlayedCollector())
    assert batcher.add({"amount": Decimal("1.5")})
    assert not batcher.add({"amount": float("nan")})
    assert batcher.counts.errors == 1
    await batcher.close()


async def test_events_may_come_from_other_threads() -> None:
    collector = PlayedCollector()
    batcher = batcher_to(collector, batch_size=2, flush_interval_s=60)
    batcher.add({"event_id": "here"})
    thread = threading.Thread(target=lambda: batcher.add({"event_id": "there"}))
    thread.start()
    thread.join()
    await eventually(lambda: ids(collector) == ["here", "there"])
    await batcher.close()


async def test_events_that_all_came_from_other_threads_are_sent_at_the_end() -> None:
    collector = PlayedCollector()
    batcher = batcher_to(collector, batch_size=10, flush_interval_s=60)
    thread = threading.Thread(target=lambda: [batcher.add({"event_id": str(n)}) for n in range(25)])
    thread.start()
    thread.join()
    await batcher.close()
    assert ids(collector) == [str(number) for number in range(25)]
    assert batcher.counts.dropped == 0


async def test_over_http_with_a_key() -> None:
    seen: list[tuple[str | None, int]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Authorization"), len(await request.json())))
        if len(seen) == 1:
            return web.json_response({"code": "overloaded"}, status=429, headers={"Retry-After": "0"})
        return web.json_response({"accepted": 1, "rejected": [{"index": 1, "reason": "wrong_type"}]})

    app = web.Application()
    app.router.add_post("/api/v1/events", take)
    async with TestServer(app) as server:
        batcher = EventBatcher(str(server.make_url("/")), "ubi_key", batch_size=2)
        for number in range(2):
            batcher.add({"event_id": str(number)})
        await eventually(lambda: batcher.counts.sent == 1)
        await batcher.close()
    assert seen == [("Bearer ubi_key", 2)] * 2
    assert batcher.counts.rejected == 1


async def test_nobody_listens() -> None:
    batcher = EventBatcher("http://127.0.0.1:9", batch_size=1)
    batcher.add({"event_id": "0"})
    await eventually(lambda: batcher.status()["status"] == "unreachable")
    await batcher.close(within_s=0)
    assert batcher.counts.dropped == 1


@pytest.mark.parametrize("size", [0, 501])
def test_a_batch_has_bounds(size: int) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        EventBatcher("http://unused.example", batch_size=size)
