"""Dead letters repaired by a patch: checked as of their arrival, sent once, with the id that they would have had."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from support.collecting import NOW, NOW_MS, MemoryDelivery, collector, request
from ubi_stream.collector.registry import OWN, SEGMENT
from ubi_stream.collector.repair import PatchError, Repairs, check_patch, decode_letter
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.insights.encoding import encode_dead_letter
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.settings import Settings
from ubi_stream.sinks.dead_letter_queries import ListedDeadLetter

SETTINGS = Settings()
DANCE = {"event_id": "e-1", "event_time": NOW, "event_type": "dance", "user_id": "u-1"}
TO_VIEW = [{"op": "replace", "path": "/event_type", "value": "view"}]


class Desk:
    """Repairs over dead letters that a collector, or a worker, made."""

    def __init__(self) -> None:
        self.delivery = MemoryDelivery()
        self.collector = collector(self.delivery)
        self.values: list[bytes | None] = []
        self.marked: list[str] = []
        self.resent: set[str] = set()

    async def read(self, places: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        return [self.values[offset] for _, _, offset in places]

    async def mark(self, ids: Sequence[str]) -> None:
        self.marked += ids

    async def collect(self, body: object, path: str = "/api/v1/events", dialect: Any = OWN) -> None:
        await self.collector.take(dialect, request(path, body), "shop")
        self.values = [one.value for one in self.delivery.sent if one.topic == SETTINGS.dead_letters_topic]
        self.delivery.sent.clear()

    def listed(self) -> list[ListedDeadLetter]:
        at = datetime.fromtimestamp(NOW_MS / 1000, UTC)
        found = []
        for offset, value in enumerate(self.values):
            id_ = f"gone-{offset}" if value is None else msgspec.json.decode(value)["id"]
            resent_at = at if id_ in self.resent else None
            found.append(
                ListedDeadLetter(id_, "r", "$", "m", "t", 0, offset, at, "ubi.dead-letters", 0, offset, resent_at)
            )
        return found

    async def repair(self, patch: Any, *, send: bool = True) -> list[dict[str, Any]]:
        results = await Repairs(self.collector, self, self.mark).run(self.listed(), check_patch(patch), send=send)
        return [msgspec.to_builtins(one) for one in results]


async def test_a_repaired_event_is_sent_with_its_own_id() -> None:
    replies = Desk()
    await replies.collect(DANCE)
    [result] = await replies.repair(TO_VIEW)
    assert (result["status"], result["event"]) == ("sent", DANCE | {"event_type": "view"})
    assert replies.delivery.events(SETTINGS) == [DANCE | {"event_type": "view"}]
    assert replies.marked == [result["id"]]


async def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing() -> None:
    replies = Desk()
    await replies.collect(DANCE)
    [result] = await replies.repair(TO_VIEW, send=False)
    assert (result["status"], result["event"]["event_type"]) == ("ready", "view")
    assert replies.delivery.sent == []
    assert replies.marked == []


async def test_sent_again_it_is_left_alone_or_counts_as_known() -> None:
    replies = Desk()
    await replies.collect(DANCE)
    await replies.repair(TO_VIEW)
    [again] = await replies.repair(TO_VIEW)  # its mark got lost
    assert again["status"] == "duplicate"
    replies.resent = {again["id"]}
    [third] = await replies.repair(TO_VIEW)
    assert third["status"] == "already_sent"
    assert len(replies.delivery.events(SETTINGS)) == 1


async def test_one_that_is_still_wrong_says_why_and_its_neighbours_are_sent() -> None:
    replies = Desk()
    await replies.collect([DANCE | {"user_id": None}, DANCE])
    wrong, right = await replies.repair(TO_VIEW)
    assert (wrong["status"], wrong["reason"], wrong["path"]) == ("wrong", "missing_field", "$.user_id")
    assert right["status"] == "sent"


async def test_a_call_of_a_sender_is_patched_in_its_own_form_and_as_of_its_arrival() -> None:
    replies = Desk()
    call = {"type": "track", "event": "Product Viewed", "messageId": "m-1", "timestamp": "2025-11-24T14:59:00Z"}
    await replies.collect({"batch": [call], "sentAt": "2025-11-24T15:00:00Z"}, "/v1/batch", SEGMENT)
    [result] = await replies.repair([{"op": "add", "path": "/userId", "value": "u-1"}])
    assert result["status"] == "sent"
    assert result["event"]["event_time"] == NOW_MS - 60_000  # the clock that was an hour slow, as of then
    assert result["event"]["event_id"] == "m-1"


async def test_a_call_that_is_repaired_into_no_behaviour_is_left_out() -> None:
    replies = Desk()
    await replies.collect({"type": "track", "userId": "u-1"}, "/v1/batch/x", SEGMENT)
    [result] = await replies.repair([{"op": "replace", "path": "/type", "value": "group"}])
    assert (result["status"], result["message"]) == ("left_out", "group")


def worker_letter(value: bytes | None, offset: int = 7) -> bytes:
    record = Record("ubi.events", 3, offset, NOW_MS, b"u-1", value)
    return encode_dead_letter(DeadLetter(DeadLetterReason.MALFORMED_JSON, "$", "m", record))


async def test_dead_letters_of_workers_are_repaired_too_and_without_an_id_have_that_of_their_place() -> None:
    replies = Desk()
    replies.values = [
        worker_letter(msgspec.json.encode({**DANCE, "event_id": None})), worker_letter(b"{broken", 8),
        worker_letter(None, 9),
        None,
    ]  # fmt: skip
    good, broken, empty, gone = await replies.repair(TO_VIEW)
    assert (good["status"], good["event"]["event_id"]) == ("sent", "ubi.events-3-7")
    assert (broken["status"], "not JSON" in broken["message"]) == ("wrong", True)
    assert (empty["status"], gone["status"]) == ("wrong", "gone")


async def test_a_patch_makes_no_erasure() -> None:
    replies = Desk()
    replies.values = [worker_letter(msgspec.json.encode(DANCE))]
    [result] = await replies.repair([{"op": "replace", "path": "/event_type", "value": "$erase"}])
    assert (result["status"], "role privacy" in result["message"]) == ("wrong", True)
    assert replies.delivery.sent == []


async def test_what_is_not_json_is_replaced_as_a_whole() -> None:
    replies = Desk()
    replies.values = [worker_letter(b"{broken")]
    [result] = await replies.repair([{"op": "replace", "path": "", "value": DANCE | {"event_type": "view"}}])
    assert result["status"] == "sent"


async def test_a_patch_that_does_not_fit_sends_nothing() -> None:
    replies = Desk()
    await replies.collect(DANCE)
    [result] = await replies.repair([{"op": "replace", "path": "/nowhere/x", "value": 1}])
    assert result["status"] == "wrong"
    assert "does not fit" in result["message"]
    assert replies.delivery.sent == []


@pytest.mark.parametrize("patch", [{}, "x", [1], [{"op": "explode", "path": "/a"}], [{"op": "add"}], [{}] * 200])
def test_what_is_no_patch_is_refused(patch: object) -> None:
    with pytest.raises(PatchError):
        check_patch(patch)


def test_a_header_of_any_bytes_can_be_shown() -> None:
    record = Record("ubi.events", 0, 7, NOW_MS, b"u", b"{", (("trace", b"\xff\xfe"),))
    letter = decode_letter(encode_dead_letter(DeadLetter(DeadLetterReason.MALFORMED_JSON, "$", "m", record)))
    assert letter is not None
    assert letter.header("trace") == "\ufffd\ufffd"
