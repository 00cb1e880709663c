"""Sends one visit of a user with aiokafka: python aiokafka_producer.py [USER_ID]."""

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

BROKER = os.environ.get("UBI_BROKER", "127.0.0.1:9092")
TOPIC = os.environ.get("UBI_EVENTS_TOPIC_NAME", "ubi.events")


def event(event_type: str, user_id: str, session_id: str, **properties: Any) -> dict[str, Any]:
    """One event, with an id of its own: sent twice, it counts once."""
    return {
        "event_id": str(uuid.uuid4()),
        "event_time": datetime.now(UTC).isoformat(),
        "event_type": event_type,
        "user_id": user_id,
        "session_id": session_id,
        "properties": properties,
    }


async def main(user_id: str) -> None:
    """Send the visit; returns when Kafka has it on all replicas."""
    session_id = str(uuid.uuid4())
    visit = [
        event("view", user_id, session_id, category="shoes", price=59.9),
        event("cart", user_id, session_id, category="shoes", price=59.9),
        event("purchase", user_id, session_id, category="shoes", price=59.9),
    ]
    # The default partitioner is that of Kafka's Java client.
    async with AIOKafkaProducer(bootstrap_servers=BROKER, enable_idempotence=True) as producer:
        for one in visit:
            sent = await producer.send_and_wait(TOPIC, key=user_id.encode(), value=json.dumps(one).encode())
            print(f"{one['event_type']}: partition {sent.partition}, offset {sent.offset}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "u-1"))
