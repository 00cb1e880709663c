"""The agent of the events topic: what producers write."""

from __future__ import annotations

from typing import Any

import faust

from ubi_stream.kafka.transport import ProcessChunk


def register(app: faust.App, topic: faust.Topic, process: ProcessChunk) -> None:
    """Hand each chunk of the events topic to `process`."""

    async def events(chunks: Any) -> None:
        async for chunk in chunks.noack().events():
            await process(chunk.message.tp, chunk.value)

    app.agent(topic, name="events", concurrency=1)(events)  # more would let a partition's chunks overtake one another
