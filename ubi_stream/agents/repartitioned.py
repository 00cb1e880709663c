"""The agents of the repartition topics: events that belong to another partition than the one they came in by."""

from __future__ import annotations

from typing import Any

import faust

from ubi_stream.kafka.transport import ProcessChunk


def register(app: faust.App, topic: faust.Topic, entity: str, process: ProcessChunk) -> None:
    """Hand each chunk of one entity's repartition topic to `process`."""

    async def repartitioned(chunks: Any) -> None:
        async for chunk in chunks.noack().events():
            await process(chunk.message.tp, chunk.value)

    app.agent(topic, name=f"by-{entity}", concurrency=1)(repartitioned)
