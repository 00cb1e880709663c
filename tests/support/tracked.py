"""A collector that a test plays, and small hosts to track."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.transport import HttpReply

OK = HttpReply(200)


class PlayedCollector:
    """Answers as a test says, the last answer for ever; keeps the events of each request that came to 200."""

    def __init__(self, *delayed_labels: HttpReply | None) -> None:
        self._answers = list(delayed_labels) or [OK]
        self.posted: list[list[dict[str, Any]]] = []
        self.accepted: list[dict[str, Any]] = []
        self.closed = False
        self.got = asyncio.Event()

    async def post(self, body: bytes) -> HttpReply | None:
        events = msgspec.json.decode(body)
        self.posted.append(events)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not None and answer.status == 200:
            self.accepted += events
        self.got.set()
        return answer

    async def close(self) -> None:
        self.closed = True


class StuckCollector(PlayedCollector):
    """Takes a request, and never answers."""

    async def post(self, body: bytes) -> HttpReply | None:
        await super().post(body)
        await asyncio.Event().wait()
        return None


def batcher_to(collector: PlayedCollector, **options: Any) -> EventBatcher:
    """A batcher that sends at once where a batch is full."""
    return EventBatcher("http://unused.example", transport=collector, **options)
