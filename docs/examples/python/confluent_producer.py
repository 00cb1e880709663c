"""Sends one visit of a user with confluent-kafka: python confluent_producer.py [USER_ID]."""

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

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


failed: list[str] = []


def report(error: KafkaError | None, message: Message) -> None:
    """Say what became of one record."""
    if error is not None:
        failed.append(str(error))
    else:
        print(f"partition {message.partition()}, offset {message.offset()}")


def main(user_id: str) -> None:
    """Send the visit; returns when Kafka has it on all replicas."""
    session_id = str(uuid.uuid4())
    visit = [
        event("view", user_id, session_id, category="shoes", price=59.9),
        event("cart", user_id, session_id, category="shoes", price=59.9),
        event("purchase", user_id, session_id, category="shoes", price=59.9),
    ]
    producer = Producer(
        {
            "bootstrap.servers": BROKER,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",  # that of Kafka's Java client; librdkafka's default is another
        }
    )
    for one in visit:
        producer.produce(TOPIC, key=user_id, value=json.dumps(one), on_delivery=report)
    waiting = producer.flush(30)
    if waiting or failed:
        sys.exit(f"not sent: {', '.join(failed) or f'Kafka at {BROKER} did not answer within 30 s'}")


main(sys.argv[1] if len(sys.argv) > 1 else "u-1")
