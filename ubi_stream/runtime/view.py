"""What the views see of a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isnan
from typing import Any

from faust.exceptions import ConsumerNotStarted

from ubi_stream.insights.model import Insight
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.kafka.restore import Restorer
from ubi_stream.metrics.reports import Part, detectors_of, reports_of
from ubi_stream.metrics.status import Check, DetectorReport, Lag, ModelReport, Owner, StateLocation
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.label_replies import LabelKey, LabelReplies
from ubi_stream.runtime.partition_task import PartitionTask
from ubi_stream.runtime.task_manager import TaskManager
from ubi_stream.settings import Settings
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import HOUR_MS


class WorkerView:
    """Reads a running worker; answers from memory.

    `app` is the Faust application: who owns which partition is known to its assignor.
    """

    def __init__(
        self, settings: Settings, pack: Pack, app: Any, tasks: TaskManager, restorer: Restorer, replies: LabelReplies
    ) -> None:
        self._settings = settings
        self._pack = pack
        self._app = app
        self._tasks = tasks
        self._restorer = restorer
        self._replies = replies

    @property
    def pack(self) -> Pack:
        return self._pack

    def locate(self, entity: str, entity_id: str) -> Owner:
        partition = self._partition_of(entity_id)
        if self._tasks.get(entity, partition) is not None:
            return Owner(StateLocation.HERE)
        if self._app.rebalancing or self._restorer.progress.running:
            return Owner(StateLocation.UNKNOWN)
        for url, topics in self._app.assignor.external_topic_distribution.items():
            if partition in topics.get(self._settings.events_topic, ()):
                return Owner(StateLocation.ELSEWHERE, url.rstrip("/"))
        return Owner(StateLocation.UNKNOWN)

    def state_of(self, entity: str, entity_id: str) -> UserState | None:
        task = self._task_of(entity, entity_id)
        live = task.partition.store.get(entity_id) if task is not None else None
        return None if live is None else live.state

    def features_of(self, entity: str, entity_id: str, now_ms: int) -> dict[str, float | None]:
        task = self._task_of(entity, entity_id)
        state = self.state_of(entity, entity_id)
        if task is None or state is None:
            return {}
        pipeline = task.partition.pipeline
        values = ((f.name, f.extract(state, now_ms, pipeline.plan)) for f in pipeline.featurizer.features)
        return {name: None if isnan(value) else value for name, value in values}

    def visit_confidence(self, entity: str, entity_id: str) -> float | dict[str, object] | None:
        task, state = self._task_of(entity, entity_id), self.state_of(entity, entity_id)
        if task is None or state is None:
            return None
        return task.partition.pipeline.visit_confidence.of(state.session)

    async def send_command(self, key: LabelKey, value: bytes) -> None:
        await self._replies.send(key, value)

    async def label_answer(self, key: LabelKey, *, within_s: float) -> Insight | None:
        return await self._replies.answer(key, within_s=within_s)

    def model_quality(self) -> Sequence[ModelReport]:
        return reports_of(self._parts())

    def detectors(self) -> Sequence[DetectorReport]:
        """How the detectors of each partition stand."""
        return detectors_of(self._parts())

    def _parts(self) -> Iterator[Part]:
        return ((task.setup.entity, task.setup.partition, task.partition.models) for task in self._tasks)

    def readiness(self) -> Sequence[Check]:
        consumer = self._app.consumer
        try:
            # A worker more than there are partitions gets none: it is ready all the same.
            known = consumer.assignment() or self._app.tables.actives_ready
            problem = "" if known else "no partitions are assigned yet"
        except ConsumerNotStarted:
            problem = "no partitions are assigned yet"
        if not consumer.connected:
            problem = "there is no connection to Kafka"
        progress = self._restorer.progress
        recovered = self._app.tables.actives_ready and not progress.running
        message = "" if recovered else progress.describe()
        return [
            Check("broker", not problem, problem),
            Check("recovery", recovered, message),
        ]

    def lag(self) -> Sequence[Lag]:
        consumer = self._app.consumer
        lags = []
        for tp, position in list(consumer.next_offsets.items()):
            try:
                end = consumer.highwater(tp)
            except (ConsumerNotStarted, AssertionError):
                continue  # it stops, or aiokafka has given the partition up already, which it asserts that it has not
            if end is not None:
                lags.append(Lag(tp.topic, tp.partition, max(0, end - position)))
        return lags

    def entities(self, entity: str) -> int:
        """Entities of a kind whose state is here."""
        return sum(task.partition.store.count for task in self._tasks if task.setup.entity == entity)

    def segment_users(self) -> dict[str, int]:
        """Users of these partitions that were active in the newest hour that has any, by their present segment."""
        found = [
            task.partition.pipeline.windows.users_now(HOUR_MS) for task in self._tasks if task.setup.entity == "user"
        ]
        newest = max((pane for pane, _ in found), default=-1)
        users: Counter[str] = Counter()
        for pane, counts in found:
            if pane == newest:
                users.update(counts)
        return dict(users)

    def state_bytes(self) -> int:
        """Bytes of the encoded states that are here."""
        return sum(task.partition.store.encoded_bytes for task in self._tasks)

    def _task_of(self, entity: str, entity_id: str) -> PartitionTask | None:
        return self._tasks.get(entity, self._partition_of(entity_id))

    def _partition_of(self, entity_id: str) -> int:
        """As Kafka's clients partition by key."""
        return partition_of(entity_id.encode(), self._settings.partitions)
