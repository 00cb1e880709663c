"""Faust as it comes: counts events by key in a table, and sends each event on. What it loses, we must not.

`python -m benchmarks.faults.stock_faust BROKER PREFIX`: from `PREFIX.in` to `PREFIX.out`.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import faust

PARTITIONS: Final = 4
DELIVERY_TIMEOUT_S: Final = 3.0
"""What is not delivered for so long has failed, as with `UBI_DELIVERY_TIMEOUT_S`."""


def stock_app(broker: str, prefix: str) -> faust.App:
    """An application as Faust's own documentation writes it, at least once."""
    app = faust.App(
        f"{prefix}-stock",
        broker=f"kafka://{broker}",
        store="memory://",
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_enabled=False,
        producer_acks=-1,
        producer_request_timeout=DELIVERY_TIMEOUT_S,
    )
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    source, target = app.topic(f"{prefix}.in", **raw), app.topic(f"{prefix}.out", **raw)
    counts = app.Table("counts", default=int, key_type=bytes, partitions=PARTITIONS)

    async def count(stream: Any) -> None:
        async for key, value in stream.items():
            counts[key] += 1
            await target.send(key=key, value=value)

    app.agent(source)(count)
    return app


def main() -> None:
    """Run it until it is told to stop."""
    broker, prefix = sys.argv[1:]
    faust.Worker(stock_app(broker, prefix), loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
