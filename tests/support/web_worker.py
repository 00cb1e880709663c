"""A worker for the views: real partitions with real states, in memory, without Kafka."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Sequence
from itertools import product
from math import isnan
from typing import Any, Protocol
from urllib.parse import quote

from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from yarl import URL

from ubi_stream.data.records import ProducerRecord
from ubi_stream.errors import DeliveryError
from ubi_stream.features.stage import Featurizer
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.metrics.reports import reports_of
from ubi_stream.metrics.status import Check, Lag, ModelReport, Owner, StateLocation
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition
from ubi_stream.replay.offline import OfflineRun, partition_of
from ubi_stream.runtime.label_replies import LabelKey
from ubi_stream.settings import Settings
from ubi_stream.state.model import UserState
from ubi_stream.web.ports import WorkerPort

Client = TestClient[Request, Application]


class Serve(Protocol):
    """Serves the views of a worker."""

    def __call__(self, port: WorkerPort, settings: Settings | None = None) -> Awaitable[Client]: ...


NOW_MS = 1_569_888_000_000
"""2019-10-01T00:00:00Z: when the broker gets the events."""

T0 = NOW_MS - 3_600_000
"""2019-09-30T23:00:00Z: when the events happen."""

SECRET = b"a secret of the workers of a test"
"""What workers share that ask each other."""

_PARTITIONS = 2


def path_of(user: str, rest: str = "") -> URL:
    """Encoded path of a user's route."""
    return URL(f"/api/v1/users/{quote(user, safe='')}{rest}", encoded=True)


def event(user: str, event_type: str, at_ms: int, *, session: str | None = None, **properties: Any) -> ProducerRecord:
    """An event as a producer sends it."""
    value = {
        "event_id": f"{user}-{at_ms}-{event_type}",
        "event_time": at_ms,
        "event_type": event_type,
        "user_id": user,
        "session_id": session,
        "properties": properties,
    }
    return ProducerRecord(user.encode(), json.dumps(value).encode())


class MemoryWorker:
    """A `WorkerPort` over an offline run.

    Attributes
    ----------
    owners
        Where the state of some ids is; that of all others is here.
    checks, lags
        What the worker says about itself.
    labels
        What was sent as labels: topic and value.
    takes, answers
        Whether the broker takes labels, and whether the worker is quick enough to say what they brought about.
    """

    def __init__(self, pack: str = "ecommerce", events: Iterable[ProducerRecord] = ()) -> None:
        self._pack = load_pack(pack)
        self._run = OfflineRun(self._pack, Settings(partitions=_PARTITIONS), now_ms=NOW_MS)
        self.owners: dict[str, Owner] = {}
        self.checks: Sequence[Check] = (Check("broker", ok=True), Check("recovery", ok=True))
        self.lags: Sequence[Lag] = (Lag("ubi.events", 0, 0), Lag("ubi.events", 1, 12))
        self.labels: list[tuple[LabelKey, bytes]] = []
        self.takes = self.delayed_labels = True
        self._told: dict[tuple[str, str | None], Insight] = {}
        self.take(events)

    def take(self, events: Iterable[ProducerRecord]) -> None:
        """Process events."""
        for effects in self._run.run(events):
            self._told |= {(i.user_id, i.trace_id): i for i in effects.insights if i.kind is InsightKind.LABEL}

    @property
    def pack(self) -> Pack:
        return self._pack

    def locate(self, entity: str, entity_id: str) -> Owner:
        return self.owners.get(entity_id, Owner(StateLocation.HERE))

    def state_of(self, entity: str, entity_id: str) -> UserState | None:
        live = self._partition_of(entity, entity_id).store.get(entity_id)
        return live.state if live is not None else None

    def features_of(self, entity: str, entity_id: str, now_ms: int) -> dict[str, float | None]:
        state = self.state_of(entity, entity_id)
        assert state is not None, "the views ask only for entities with a state"
        plan = compile_plan(self._pack, entity)
        values = {feature.name: feature.extract(state, now_ms, plan) for feature in Featurizer(plan).features}
        return {name: None if isnan(value) else value for name, value in values.items()}

    def visit_confidence(self, entity: str, entity_id: str) -> float | dict[str, object] | None:
        state = self.state_of(entity, entity_id)
        pipeline = self._partition_of(entity, entity_id).pipeline
        return None if state is None else pipeline.visit_confidence.of(state.session)

    async def send_command(self, key: LabelKey, value: bytes) -> None:
        if not self.takes:
            raise DeliveryError("Kafka is away")
        self.labels.append((key, value))
        self.take([ProducerRecord(key.entity_id.encode(), value)])

    async def label_answer(self, key: LabelKey, *, within_s: float) -> Insight | None:
        return self._told.get((key.entity_id, key.event_id)) if self.delayed_labels else None

    def model_quality(self) -> Sequence[ModelReport]:
        entities = [entity.name for entity in self._pack.entities]
        places = product(entities, range(_PARTITIONS))
        return reports_of((name, number, self._run.partition(name, number).models) for name, number in places)

    def readiness(self) -> Sequence[Check]:
        return self.checks

    def lag(self) -> Sequence[Lag]:
        return self.lags

    def _partition_of(self, entity: str, entity_id: str) -> Partition:
        return self._run.partition(entity, partition_of(entity_id.encode(), 0, _PARTITIONS))
