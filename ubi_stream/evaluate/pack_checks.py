"""Tries a pack out: invented events of its own types go through a partition, and every candidate is vetted on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec
import numpy as np

from ubi_stream.events.model import Record
from ubi_stream.events.stage import read_events
from ubi_stream.features.stage import Matrix
from ubi_stream.models.forecast import candidates_of
from ubi_stream.models.model_check_tasks import check_detector, check_drift_detector, vet_forecaster
from ubi_stream.models.model_checks import Vetted, check_model
from ubi_stream.models.registry import Recipe
from ubi_stream.packs.candidates import CandidateModel
from ubi_stream.packs.declared import sample_of
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup

EVENTS: Final = 600
"""Enough for windows, visits and a few hundred rows; some seconds for the dearest models."""
_ROWS: Final = 200
_START_MS: Final = 1_700_000_000_000
_QUESTION_SHARE: Final = 0.3
"""Questions for each event in recorded shops: what a label costs counts by that much for an event."""


@dataclass(frozen=True, slots=True)
class CandidateTrial:
    """A candidate, and what came of trying it.

    Attributes
    ----------
    us_per_event
        Processor time for an event on this machine, scored always; learned as often as questions are asked, or as its
        share says. Of a drift detector it is the time for one value, of a forecaster that for one user's forecast.
    """

    candidate: CandidateModel
    vetted: Vetted

    @property
    def us_per_event(self) -> float:
        learned = self.candidate.share if self.candidate.task == "anomaly" else _QUESTION_SHARE
        return self.vetted.score_us + learned * self.vetted.learn_us


def try_pack(pack: Pack, *, cpu_s: Callable[[], float] = time.process_time) -> Iterator[CandidateTrial]:
    """Run invented events through the pack's users, then vet each of its candidates on what they are to the models.

    Raises
    ------
    ConfigError
        A candidate's model can't be made.
    """
    partition = Partition(
        PartitionSetup(pack, "user", 0, epoch=0, seed=1, snapshot_key=b"none is written", cache_size=10_000), {}, {}
    )
    rows = _rows(partition, list(_records(pack)))
    forecasters = {made.name: made for made in candidates_of(pack.models.model_copy(update={"costly": True}))}
    for candidate in pack.models.candidates:
        if candidate.task == "forecast":
            yield CandidateTrial(candidate, vet_forecaster(forecasters[candidate.name], cpu_s=cpu_s))
        else:
            yield CandidateTrial(candidate, _vetted(candidate, pack, partition.pipeline.featurizer.names, rows, cpu_s))


def _vetted(
    candidate: CandidateModel, pack: Pack, names: tuple[str, ...], rows: Matrix, cpu_s: Callable[[], float]
) -> Vetted:
    """Try one that looks at rows."""
    usual = names if candidate.task == "classification" else pack.entities[0].anomaly_features or names
    features = candidate.features or usual
    seen = np.ascontiguousarray(rows[:, [names.index(name) for name in features]])
    if candidate.task == "change":
        return check_drift_detector(candidate.kind, candidate.parameters, np.nan_to_num(seen).mean(axis=1), cpu_s=cpu_s)
    recipe = Recipe(candidate.kind, features, dict(candidate.parameters))
    if candidate.task == "anomaly":
        return check_detector(recipe, seen, cpu_s=cpu_s)
    return check_model(recipe, seen, _labels(rows), cpu_s=cpu_s)


def _records(pack: Pack) -> Iterator[Record]:
    """Invent events of the pack's types: forty users with visits, amounts and waiting times."""
    draw, roles = Random(1), pack.events.roles
    at_ms = _START_MS
    for offset in range(EVENTS):
        at_ms += int(draw.expovariate(1 / 20_000))
        user = f"u{draw.randrange(40)}"
        properties: dict[str, Any] = sample_of(pack.features)
        if roles.amount:
            properties[roles.amount] = round(draw.lognormvariate(3, 1), 2)
        if roles.latency:
            properties[roles.latency] = round(draw.lognormvariate(6, 1), 1)
        if roles.category:
            properties[roles.category] = f"c{draw.randrange(5)}"
        if roles.reference:
            properties[roles.reference] = f"r{offset}"
        properties |= {entity.key: f"e{draw.randrange(5)}" for entity in pack.entities if entity.key}
        event = {
            "event_id": f"e{offset}",
            "event_time": at_ms,
            "event_type": draw.choice(pack.events.types),
            "user_id": user,
            "properties": properties,
        }
        yield Record("events", 0, offset, at_ms, user.encode(), msgspec.json.encode(event), ())


def _rows(partition: Partition, records: list[Record]) -> Matrix:
    """Rows as the models get them; the whole way of the events is run besides, as a worker would."""
    pipeline = partition.pipeline
    read = read_events(records, pipeline.validator, forwarded=False)
    rows = pipeline.featurizer.featurize(pipeline.folder.fold(read.events)).scaled
    fresh = Partition(partition.setup, {}, {})
    fresh.pipeline.run(records, forwarded=False)
    fresh.take_checkpoint()
    kept: Matrix = rows[-_ROWS:]
    return kept


def _labels(rows: Matrix) -> list[bool]:
    """Labels that can be learned: those above the middle by a fixed mixture of the features."""
    mixture = np.nan_to_num(rows) @ np.cos(np.arange(rows.shape[1]))
    return [bool(value > np.median(mixture)) for value in mixture]
