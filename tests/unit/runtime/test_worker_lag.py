"""How far behind a worker says that it is, also while its client starts, loses partitions, or stops."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from ubi_stream.kafka.transport import ChunkTransport
from ubi_stream.metrics.status import Lag
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.view import WorkerView
from ubi_stream.settings import Settings

SETTINGS = Settings(_env_file=None)


async def test_lag_is_told_of_partitions_that_the_client_has_and_never_fails() -> None:
    app = faust.App("t", broker="kafka://127.0.0.1:1", store="memory://")
    app.transport = ChunkTransport(app.conf.broker_consumer, app=app)
    consumer: Any = app.consumer
    consumer._thread.thread_loop.close()  # it is not started
    absent: Any = SimpleNamespace()  # what else a view reads
    view = WorkerView(SETTINGS, load_pack("ecommerce"), app, absent, absent, absent)
    consumer._expected = {TP("events", 0): 5, TP("events", 1): 5}
    assert view.lag() == [], "its thread has no client yet, or none any more"
    client = AIOKafkaConsumer()
    consumer._thread._consumer = client
    assert view.lag() == [], "nothing is assigned"
    client.assign([TopicPartition("events", 1)])
    assert view.lag() == [], "nothing was fetched"
    client._subscription.subscription.assignment.state_value(TopicPartition("events", 1)).highwater = 12
    assert view.lag() == [Lag("events", 1, 7)]
    await client.stop()
