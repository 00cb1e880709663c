"""What the commands that look at results share: the insights topic as it grows, and rows for tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from rich.text import Text

from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.labelling import seek_to_end
from ubi_stream.settings import Settings
from ubi_stream.sinks.queries import StoredInsight
from ubi_stream.terminal.tables import SEVERITY_STYLE, clock


async def follow_insights(settings: Settings, on_insight: Callable[[dict[str, Any]], None]) -> None:
    """Call with the data of each insight that comes from now on, until cancelled.

    Raises
    ------
    BrokerUnavailableError
        Kafka can't be reached.
    """
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        await seek_to_end(consumer, settings)
        async for record in consumer:
            if record.value is not None:
                on_insight(msgspec.json.decode(record.value)["data"])
    except KafkaError as error:
        raise BrokerUnavailableError(
            f"Kafka at {settings.broker} can't be reached ({type(error).__name__}): name one by --broker or "
            "UBI_BROKER, or start one on this machine with `ubi up`"
        ) from error
    finally:
        await consumer.stop()


def insight_heads() -> tuple[str, ...]:
    """Heads of a table of insights."""
    return ("at (UTC)", "severity", "kind", "user", "what was noticed")


def insight_row(insight: StoredInsight) -> tuple[object, ...]:
    """An insight as a row of that table."""
    severity = Text(insight.severity, style=SEVERITY_STYLE.get(insight.severity, ""))
    return clock(insight.at), severity, insight.kind.replace("_", " "), insight.user_id, insight.summary


def json_line(value: Any) -> str:
    """A value as JSON in one line."""
    return msgspec.json.encode(value).decode()
