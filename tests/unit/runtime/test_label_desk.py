"""Labels go to the topic of their kind of entity, and whoever waits hears what they brought about."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import KafkaTimeoutError

from ubi_stream.errors import DeliveryError
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.kafka.outbox import Acknowledged, Change
from ubi_stream.runtime import label_replies as labels
from ubi_stream.runtime.label_replies import KEPT_ANSWERS, LabelKey, LabelReplies
from ubi_stream.settings import Settings

KEY = LabelKey("user", "u1", "label/1")


def insight(key: LabelKey, kind: InsightKind = InsightKind.LABEL) -> Insight:
    return Insight(
        id=f"i-{key.event_id}", kind=kind, entity=key.entity, user_id=key.entity_id, pack="shop", at_ms=0,
        label="confirmed", score=None, confidence=None, severity=Severity.INFO, explanation=Explanation("said"),
        evidence={}, model_version="1", source=InsightSource("t", 0, 0), trace_id=key.event_id,
    )  # fmt: skip


class OneRecord:
    """An outbox whose broker has its say when the test wants it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None]] = []
        self.predicted: Acknowledged = asyncio.get_running_loop().create_future()

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Acknowledged:
        self.sent.append((topic, key, value))
        return self.predicted

    async def write(self, topic: str, partition: int, records: Sequence[Change]) -> range | None:
        raise AssertionError("labels are sent, not written")


@pytest.mark.parametrize(("entity", "topic"), [("user", "ubi.events"), ("terminal", "ubi.events.by-terminal")])
async def test_a_label_is_sent_once_the_broker_says_so(entity: str, topic: str) -> None:
    outbox = OneRecord()
    sending = asyncio.create_task(LabelReplies(Settings(), outbox).send(LabelKey(entity, "ü", "l"), b"{}"))
    await asyncio.sleep(0)
    assert not sending.done()
    outbox.predicted.set_result(None)
    await sending
    assert outbox.sent == [(topic, "ü".encode(), b"{}")]


async def test_a_broker_that_refuses_is_a_delivery_error() -> None:
    outbox = OneRecord()
    outbox.predicted.set_exception(KafkaTimeoutError())
    with pytest.raises(DeliveryError):
        await LabelReplies(Settings(), outbox).send(KEY, b"{}")


async def test_a_broker_that_hangs_is_given_up_and_the_record_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "TAKEN_WITHIN_S", 0.01)
    outbox = OneRecord()
    with pytest.raises(DeliveryError):
        await LabelReplies(Settings(), outbox).send(KEY, b"{}")
    assert not outbox.predicted.cancelled()


async def test_all_who_wait_hear_and_who_asks_later_too() -> None:
    replies = LabelReplies(Settings(), OneRecord())
    waiting = [asyncio.create_task(replies.answer(KEY, within_s=30.0)) for _ in range(3)]
    await asyncio.sleep(0)
    replies.note([insight(KEY, InsightKind.ANOMALY), insight(LabelKey("user", "u2", "label/1"))])
    assert not any(task.done() for task in waiting)
    replies.note([insight(KEY)])
    assert [found.id for found in await asyncio.gather(*waiting) if found is not None] == ["i-label/1"] * 3
    assert await replies.answer(KEY, within_s=0.0) == insight(KEY)


async def test_what_does_not_come_in_time_is_not_known() -> None:
    replies = LabelReplies(Settings(), OneRecord())
    assert await replies.answer(KEY, within_s=0.01) is None
    assert replies._waiting == {}
    replies.note([insight(KEY)])
    assert await replies.answer(KEY, within_s=0.01) is not None


async def test_only_the_newest_answers_are_kept() -> None:
    replies = LabelReplies(Settings(), OneRecord())
    replies.note([insight(KEY)])
    replies.note([insight(LabelKey("user", "u1", f"other/{n}")) for n in range(KEPT_ANSWERS)])
    assert await replies.answer(KEY, within_s=0.0) is None


async def test_answers_about_a_user_who_is_erased_are_not_kept() -> None:
    replies = LabelReplies(Settings(), OneRecord())
    other = KEY._replace(entity_id="u2")
    replies.note([insight(KEY), insight(other), insight(KEY._replace(event_id="erase/1"), InsightKind.ERASURE)])
    assert await replies.answer(KEY, within_s=0.0) is None
    assert await replies.answer(other, within_s=0.0) is not None
