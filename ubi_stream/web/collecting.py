"""Starts what takes events: the way to Kafka, and the collector before it."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from ubi_stream.collector.delivery import KafkaDelivery
from ubi_stream.collector.letters import KafkaLetters
from ubi_stream.collector.registry import DIALECTS
from ubi_stream.collector.service import Collector
from ubi_stream.kafka.client import client_options
from ubi_stream.metrics.collector_metrics import CollectorMetrics
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings
from ubi_stream.web.table import CollectorParts

_log = structlog.get_logger("ubi_stream.collector")


async def start_collector(
    stack: AsyncExitStack, settings: Settings, pack: Pack, metrics: Metrics
) -> CollectorParts | None:
    """Connect to Kafka and make the collector; None where the settings say that no events are taken over HTTP.

    It is stopped with the stack, after what waits was sent.

    Raises
    ------
    KafkaError
        No broker answers.
    ConfigError
        A mapping of a source is wrong.
    """
    if not settings.collector:
        return None
    if settings.events_mapping is not None:
        _log.warning(
            "collector_off",
            message="UBI_EVENTS_MAPPING is set: the topic is in a sender's form, and the collector writes our own",
        )
        return None
    options = client_options(settings)
    delivery = KafkaDelivery(
        options,
        batch_size=settings.collector_batch_size,
        flush_interval_s=settings.collector_flush_ms / 1000,
        max_waiting=settings.collector_max_waiting,
        timeout_s=settings.collector_timeout_s,
    )
    counts = CollectorMetrics(metrics.registry, DIALECTS)
    metrics.add_refresher(lambda: counts.waiting.set(delivery.waiting))
    collector = Collector(pack, settings, delivery, counts)
    await delivery.start()
    stack.push_async_callback(delivery.stop)
    return CollectorParts(collector, KafkaLetters(options))
