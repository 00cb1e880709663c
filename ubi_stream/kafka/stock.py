"""Faust's own way, one message at a time: kept to be compared with (`UBI_TRANSPORT=stock`).

Lanes, barriers, commits and recovery are the same, so the results are. What is missing is the watch over the way in
between: Faust's loop does not look for offsets that were passed over.
"""

from __future__ import annotations

from typing import Any, Final

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from ubi_stream.kafka.transport import ChunkConsumer

BUFFERED_MESSAGES: Final = 4_096
"""Faust's default: of messages, where a chunk counts as one."""


class StockConsumer(ChunkConsumer):
    """Delivers every record as a message of its own, by Faust's loop."""

    async def _drain_messages(self, fetcher: Any) -> None:
        await driver.Consumer._drain_messages(self, fetcher)

    def _to_message(self, tp: TP, record: Any) -> Any:
        """A chunk of one."""
        self._expected[tp] = record.offset + 1
        message = super()._to_message(tp, record)
        message.value = [record]
        return message

    async def stop_delivery(self) -> None:
        """Let nothing through until `resume_flow`: Faust's loop looks at that before each message."""
        self.stop_flow()

    async def perform_seek(self) -> None:
        await super().perform_seek()
        self._read_offset.update(self._expected)


class StockTransport(driver.Transport):
    """Faust's aiokafka transport, with our commits."""

    Consumer = StockConsumer
