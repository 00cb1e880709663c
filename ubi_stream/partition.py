"""One partition of one kind of entity: its pipeline, and its record, which says how far it has come.

The record holds what depends on scores: models, policy memory, open windows; and the progress (`L`, watermark). It is
written at each barrier before the states (`ubi_stream/checkpoint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from ubi_stream.checkpoint import PartitionMemory, checkpoint_chunks, last_place, read_checkpoint
from ubi_stream.errors import ConfigError, SnapshotError
from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.validate import Validator
from ubi_stream.features.stage import Featurizer
from ubi_stream.insights.stage import DecideStage
from ubi_stream.insights.visits import VisitRecorder
from ubi_stream.insights.windows import OpenWindows, WindowCounter
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.model_signature import shape_of_models
from ubi_stream.models.stage import PartitionModels
from ubi_stream.models.visit_confidence import VisitConfidence
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.packs.privacy_filter import privacy_filter
from ubi_stream.packs.schema import Pack
from ubi_stream.pipeline import Pipeline
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.rules.risks import Rules
from ubi_stream.rules.segments import Segments
from ubi_stream.state.codec import Tombstone
from ubi_stream.state.erasure import Erasures
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.identities import Handover, Handovers
from ubi_stream.state.identity_fold import IdentityFold
from ubi_stream.state.inactivity import inactivity_timers
from ubi_stream.state.progress import Progress
from ubi_stream.state.stage import Fold
from ubi_stream.state.store import StateStore, take_census
from ubi_stream.state.timers import DueTimers


@dataclass(frozen=True, slots=True)
class PartitionSetup:
    """What a partition needs to know besides its own data."""

    pack: Pack
    entity: str
    partition: int
    epoch: int
    seed: int
    snapshot_key: bytes
    cache_size: int
    erasure_key: bytes = b""
    """Keys the hashes of erased users' ids."""
    owner_partition: Callable[[bytes], int] | None = None
    """Partition that a user's id belongs to; None takes the record's key alone for it."""
    decode: Decode = decode
    """How a record of a topic becomes the fields of an event."""
    privacy: PrivacyFilter | None = None
    """What hides personal data; None takes the pack's, without a key."""


class Partition:
    """A pipeline over the states and the record of one partition.

    Parameters
    ----------
    setup
        Pack, entity, position.
    states
        Encoded states by entity id: the table. Written to at each cut.
    record
        Pieces of the partition's newest record by slot and index; empty for a new partition.

    Attributes
    ----------
    pipeline
        Run it with records; then deliver what it gives.
    snapshot_problem
        Why the models of the record could not be used, if so: they start fresh.

    Raises
    ------
    ConfigError
        The pack's event types are not those that the states were counted with.
    RecoveryError
        A record or state can't be read.
    """

    def __init__(
        self, setup: PartitionSetup, states: MutableMapping[bytes, bytes], record: Mapping[bytes, bytes]
    ) -> None:
        self.setup = setup
        self.snapshot_problem: SnapshotError | None = None
        plan = compile_plan(setup.pack, setup.entity)
        self._featurizer = Featurizer(plan)
        self._feature_hash = shape_of_models(plan, self._featurizer.names, setup.seed)
        self.models = PartitionModels(plan, self._featurizer, seed=setup.seed)
        self._place = last_place(record.values(), epoch=setup.epoch)
        memory = self._restore(record)
        self.progress = memory.progress
        self._memory = memory
        census = take_census(states)
        self.handovers = Handovers(memory.handovers)
        self._erasures = Erasures(memory.erased, key=setup.erasure_key, keep_ms=plan.erased_ms)
        erased = self._erasures.outlived(census.last_ms, states, epoch=setup.epoch)
        self.store = StateStore(
            states,
            epoch=setup.epoch,
            cache_size=setup.cache_size,
            census=census,
            insight_histories=memory.insight_histories,
            erased=erased,
        )
        self.timers = inactivity_timers(plan)
        self.timers.restore(census.last_ms, self.progress.watermark_ms)
        self._due_timers = DueTimers(census.due_ms)
        for entity_id in erased:
            self.timers.forget(entity_id)
            self._due_timers.forget(entity_id)
        self.pipeline = self._assemble(plan)
        self.to_send: Sequence[Handover] = ()

    def take_checkpoint(self) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes | Tombstone]]]:
        """Pieces of the partition's record, and the changed states, both as of now; to be written in that order.

        What was handed over until then (`to_send`) is sent once the record is written.
        """
        self.to_send = self.handovers.checkpoint()
        return self._chunks(), self.store.take_changes()

    def _assemble(self, plan: Plan) -> Pipeline:
        identities = IdentityFold(plan, self.handovers)
        pack, memory, features = plan.pack, self._memory, self._featurizer.features
        assigner = Segments(plan.parts.segments, features, self.models.segment_rates, dormant_ms=plan.dormant_ms)
        rule_features = self._featurizer.rule_features
        rules = Rules(plan, rule_features, memory.rule_shares)
        plans = tuple(compile_plan(pack, entity.name) for entity in pack.entities[1:])
        return Pipeline(
            plan=plan,
            owner_partition=self.setup.owner_partition,
            further=plans if plan.entity.key is None else (),
            exchanging=tuple(one for one in plans if one.exchanges),
            progress=self.progress,
            decode=self.setup.decode,
            privacy=privacy_filter(pack) if self.setup.privacy is None else self.setup.privacy,
            validator=Validator.of(pack),
            folder=Fold(plan, self.store, self.progress, self.timers, self._due_timers, self._erasures, identities),
            featurizer=self._featurizer,
            segments=assigner,
            rules=rules,
            models=self.models,
            policy=DecideStage(
                plan,
                features,
                rule_features,
                assigner,
                rules,
                self.store,
                memory.population,
                self.models.choosers,
                model_version=self._model_version(),
            ),
            windows=WindowCounter(plan, self.setup.partition, memory.windows),
            visits=VisitRecorder(plan),
            visit_confidence=VisitConfidence(plan, self.models.visit_rates),
        )

    def _model_version(self) -> str:
        return f"{self.setup.pack.name}-{self.setup.pack.version}/{self._feature_hash}"

    def _chunks(self) -> list[tuple[bytes, bytes]]:
        memory = self._memory
        memory.insight_histories = self.store.insight_histories()
        self._place = self._place.next()
        try:
            memory.models = snapshot.dumps(self.models, key=self.setup.snapshot_key, feature_hash=self._feature_hash)
        except SnapshotError as problem:
            self.snapshot_problem = problem  # too large: the models before stay in the record
        setup = self.setup
        return checkpoint_chunks(memory, setup.entity, setup.partition, epoch=setup.epoch, place=self._place)

    def _restore(self, record: Mapping[bytes, bytes]) -> PartitionMemory:
        found = read_checkpoint(record.values(), self.setup.partition, epoch=self.setup.epoch)
        if found is None:
            return PartitionMemory(Progress(), InsightHistory(), {}, OpenWindows(), self.setup.pack.events.types, b"")
        epoch, memory = found
        check_types(memory.types, self.setup.pack)
        memory.types = self.setup.pack.events.types
        if epoch != self.setup.epoch:
            # Offsets of another life of the topic say nothing about this one; its time goes on.
            memory.progress = Progress(watermark_ms=memory.progress.watermark_ms)
            memory.handovers = [one.of_layout(str(epoch)) for one in memory.handovers]
            memory.erased = {erased_id: kept.without_position() for erased_id, kept in memory.erased.items()}
        self._restore_models(memory.models)
        return memory

    def _restore_models(self, blob: bytes) -> None:
        try:
            models: Any = snapshot.loads(blob, key=self.setup.snapshot_key, feature_hash=self._feature_hash)
        except SnapshotError as problem:
            if blob:
                self.snapshot_problem = problem
        else:
            self.models = models


def check_types(counted_with: tuple[str, ...], pack: Pack) -> None:
    """Make sure that a pack's event types begin with those that states were counted with.

    Raises
    ------
    ConfigError
        They don't: the states would mean something else.
    """
    if pack.events.types[: len(counted_with)] != counted_with:
        raise ConfigError(
            f"pack {pack.name}: events.types = {list(pack.events.types)}, but the states were counted with "
            f"{list(counted_with)}; append new types at the end, or start with another app_id"
        )
