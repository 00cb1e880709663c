"""How far a partition has come: what is learned, and what time it is there."""

from __future__ import annotations

import msgspec

from ubi_stream.events.model import ForwardSource


class Progress(msgspec.Struct):
    """Part of the partition's record: written at each barrier, before the states.

    Attributes
    ----------
    learned
        Last offset learned from, by source topic. An event at or below it is only folded where its state lacks it.
    watermark_ms
        Event time up to which the partition is taken to be complete: the newest event's time less the lateness.
        It never goes back. -1 before the first event.
    forwarded
        Last offset forwarded from, by sender. A sender that crashed forwards again what it forwarded before; the states
        know that too, but not of entities that were forgotten meanwhile.
    """

    learned: dict[str, int] = {}
    watermark_ms: int = -1
    forwarded: dict[str, int] = {}

    def is_new(self, topic: str, offset: int) -> bool:
        """Whether an event is to be scored, learned from and told about."""
        return offset > self.learned.get(topic, -1)

    def take_forward(self, sender: ForwardSource) -> bool:
        """Note what a sender forwarded; False where it did so before."""
        if sender.offset <= self.forwarded.get(sender.source, -1):
            return False
        self.forwarded[sender.source] = sender.offset
        return True

    def advance(self, watermark_ms: int) -> None:
        """Move the watermark on; it stays where that would be back."""
        if watermark_ms > self.watermark_ms:
            self.watermark_ms = watermark_ms

    def learn_up_to(self, topic: str, offset: int) -> None:
        """Note that everything of a topic up to an offset is done with."""
        self.learned[topic] = max(offset, self.learned.get(topic, -1))
