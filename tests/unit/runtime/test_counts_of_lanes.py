"""What models learn and judge is counted from a restore until a lane is given up, without any scrape between."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NoReturn

import faust
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from support.lanes import SETTINGS, TP_EVENTS, Broker, Observer, Raw, stream
from support.probe import probe_pack
from ubi_stream.clock import ManualClock
from ubi_stream.kafka.changelog_store import PartitionedContent
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.models.anomaly import stage as anomaly
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.reasons import FailStopReason
from ubi_stream.runtime.task_manager import TaskManager
from ubi_stream.runtime.view import WorkerView
from ubi_stream.tables import partitions as record_tables
from ubi_stream.tables import states as state_tables

LEARNED = {"entity": "user", "outcome": "", "model": "anomaly"}


def fail(_reason: FailStopReason, error: BaseException) -> NoReturn:
    raise error


class Setup:
    """The lanes of a worker, its tables, and its metrics, connected as a worker does."""

    def __init__(self, broker: Broker | None = None) -> None:
        app, pack = faust.App("t", broker="kafka://127.0.0.1:1", store="memory://"), probe_pack()
        self.tables = [state_tables.declare(app, "user", 4), record_tables.declare(app, "user", 4)]
        states, records = self.tables
        changelogs = {table.changelog: PartitionedContent(table.newer) for table in self.tables}
        self.broker = broker or Broker(changelogs=changelogs)
        self.metrics = Metrics(pack)
        self.tasks = TaskManager(
            pack,
            SETTINGS.model_copy(update={"snapshot_key": SecretStr("key")}),
            epochs={"user": 11},
            states={"user": states},
            records={"user": records},
            outbox=self.broker,
            observer=Observer(),
            clock=ManualClock(),
            trip=fail,
        )
        absent: Any = SimpleNamespace()
        view = WorkerView(SETTINGS, pack, absent, self.tasks, absent, absent)
        self.tasks.on_change = lambda: self.metrics.set_models(view.model_quality(), view.detectors())

    async def own(self, *partitions: int) -> None:
        """Give up everything, and restore these, as a rebalance does."""
        await self.tasks.close(range(4), within_s=5)
        for table in self.tables:
            for partition in partitions:
                for key, value in self.broker.changelogs[table.changelog].content(partition).items():
                    table.apply(partition, key, value)
        await self.tasks.open(set(partitions))

    async def process(self, records: list[Raw]) -> None:
        await self.tasks.process(TP_EVENTS, records)

    def counted(self, name: str, labels: dict[str, str]) -> float:
        """Value of a counter as a scraper would read it."""
        families = text_string_to_metric_families(generate_latest(self.metrics.registry).decode())
        return sum(
            one.value for family in families for one in family.samples if (one.name, one.labels) == (name, labels)
        )

    @property
    def seen(self) -> dict[str, int]:
        """What the models of the lane itself say."""
        task = self.tasks.get("user", 0)
        assert task is not None
        models = task.partition.models
        assert models.anomaly is not None
        return {"learned": models.n_seen, "judged": models.anomaly.judged}


async def test_counts_are_those_of_the_lanes_without_any_scrape_between_rebalances(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anomaly, "OnlineQuantile", partial(OnlineQuantile, block=20))  # judges soon
    events = stream(1, 300)
    setup = Setup()
    await setup.own(0)
    await setup.process(events[:100])
    await setup.own()
    await setup.own(0)
    await setup.process(events[100:200])
    await setup.own(0)
    await setup.process(events[200:])
    everything = setup.seen
    await setup.own()
    assert everything["judged"] > 0
    assert setup.counted("ubi_model_learned_total", LEARNED) == everything["learned"] > 0
    assert setup.counted("ubi_anomaly_judged_total", {"entity": "user"}) == everything["judged"]


async def test_what_another_worker_learned_meanwhile_is_not_counted_here() -> None:
    events = stream(1, 300)
    here = Setup()
    there = Setup(here.broker)
    await here.own(0)
    await here.process(events[:150])
    await here.own()
    await there.own(0)
    await there.process(events[150:])
    await there.own()
    await here.own(0)
    await here.own()
    learned = [worker.counted("ubi_model_learned_total", LEARNED) for worker in (here, there)]
    assert all(learned)
    undisturbed = Setup()
    await undisturbed.own(0)
    await undisturbed.process(events)
    assert sum(learned) == undisturbed.seen["learned"]
