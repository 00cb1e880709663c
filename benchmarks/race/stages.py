"""The stages of the core alone, in this process: what each adds to an event's cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from time import process_time
from typing import Final

from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.model import Record
from ubi_stream.events.stage import read_events
from ubi_stream.packs.loader import load_pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.pipeline import Pipeline
from ubi_stream.settings import Settings

CHUNKED: Final = "256 at a time"
ALONE: Final = "one at a time"

Stage = Callable[[Pipeline, list[Record]], object]


def _score(p: Pipeline, records: list[Record]) -> object:
    batch = p.featurizer.featurize(p.folder.fold(read_events(records, p.validator, forwarded=False).events))
    return p.models.score_and_learn(batch, p.segments.assign(batch).after)


STAGES: dict[str, Stage] = {
    "decode, validate": lambda p, records: read_events(records, p.validator, forwarded=False),
    "fold": lambda p, records: list(p.folder.fold(read_events(records, p.validator, forwarded=False).events)),
    "features": lambda p, records: p.featurizer.featurize(
        p.folder.fold(read_events(records, p.validator, forwarded=False).events)
    ),
    "segments, models": _score,
    "insights, windows": lambda p, records: p.run(records, forwarded=False),
}
"""The way of an event up to and with each stage."""


def measure(settings: Settings, source: Iterable[ProducerRecord], events: int, chunk: int) -> dict[str, float]:
    """Processor time that each stage adds, in µs an event, in one partition."""
    records = [
        Record("race.events", 0, offset, 1_900_000_000_000, record.key, record.value)
        for offset, record in enumerate(islice(source, events))
    ]
    totals = [_cost_us(settings, records, chunk, stage) for stage in STAGES.values()]
    added = [total - before for total, before in zip(totals, [0.0, *totals], strict=False)]
    return dict(zip(STAGES, added, strict=True)) | {"all": totals[-1]}


def _cost_us(settings: Settings, records: Sequence[Record], chunk: int, stage: Stage) -> float:
    setup = PartitionSetup(
        pack=load_pack(settings.pack),
        entity="user",
        partition=0,
        epoch=0,
        seed=settings.seed,
        snapshot_key=b"stages write no snapshots",
        cache_size=settings.state_cache_of_a_partition,
    )
    partition = Partition(setup, {}, {})
    started_s = process_time()
    for start in range(0, len(records), chunk):
        stage(partition.pipeline, list(records[start : start + chunk]))
        partition.store.take_changes()
    return (process_time() - started_s) / len(records) * 1e6
