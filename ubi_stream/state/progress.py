"""How far a partition has come: what is learned, and what time it is there."""

from __future__ import annotations

import msgspec


class Progress(msgspec.Struct):
    """Part of the partition's record: written at each barrier, before the states.

    Attributes
    ----------
    learned
        Last offset learned from, by source topic. An event at or below it is only folded where its state lacks it.
    watermark_ms
        Event time up to which the partition is taken to be complete: the newest event's time less the lateness.
        It never goes back. -1 before the first event.
    """

    learned: dict[str, int] = {}
    watermark_ms: int = -1

    def is_new(self, topic: str, offset: int) -> bool:
        """Whether an event is to be scored, learned from and told about."""
        return offset > self.learned.get(topic, -1)

    def advance(self, watermark_ms: int) -> None:
        """Move the watermark on; it stays where that would be back."""
        self.watermark_ms = max(self.watermark_ms, watermark_ms)

    def learn_up_to(self, topic: str, offset: int) -> None:
        """Note that everything of a topic up to an offset is done with."""
        self.learned[topic] = max(offset, self.learned.get(topic, -1))
