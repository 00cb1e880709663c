"""Will this visit end in a purchase? The examples of a recorded shop, with the features that a worker would have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.evaluate.progressive import Example
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import read_events
from ubi_stream.packs.loader import load_pack
from ubi_stream.partition import Partition, PartitionSetup

_PACK = "ecommerce"
_MAPPING = "rees46"
_BATCH = 500


def shop_examples(file: Path, *, limit: int | None = None) -> list[Example]:
    """Return one example per event before its visit's first purchase.

    The features are the pack's, right after the event, and the event's own type and price. The label is whether the
    visit brings a purchase later; it is known when the visit has been silent for the pack's session gap.

    Parameters
    ----------
    file
        Events in the form of REES46, in time order.
    limit
        Read only so many events.

    Raises
    ------
    ConfigError
        The file can't be read.
    """
    pack = load_pack(_PACK)
    setup = PartitionSetup(
        pack=pack, entity="user", partition=0, epoch=0, seed=1, snapshot_key=b"none is written", cache_size=1_000_000
    )
    partition = Partition(setup, {}, {})
    buys = frozenset(pack.events.roles.conversion_types)
    rows: list[tuple[Event, dict[str, Any]]] = []
    bought: set[str] = set()
    ends: dict[str, int] = {}
    with ReplaySource(file, _MAPPING) as source:
        for event, features in _featurized(islice(source, limit), partition):
            visit = _visit(event)
            ends[visit] = max(ends.get(visit, 0), event.event_time_ms)
            if event.event_type in buys:
                bought.add(visit)
            elif visit not in bought:
                rows.append((event, features))
    gap_s = pack.times.session_gap_min * 60.0
    return [
        Example(
            x=features,
            y=_visit(event) in bought,
            at_s=event.event_time_ms / 1000,
            label_at_s=ends[_visit(event)] / 1000 + gap_s,
            group=_visit(event),
        )
        for event, features in rows
    ]


def _featurized(source: Iterable[ProducerRecord], partition: Partition) -> Iterator[tuple[Event, dict[str, Any]]]:
    """Run the first stages of the pipeline: read, fold, featurize."""
    pipeline = partition.pipeline
    names = pipeline.featurizer.names
    records: list[Record] = []

    def flush() -> Iterator[tuple[Event, dict[str, Any]]]:
        read = read_events(records, pipeline.validator, forwarded=False)
        records.clear()
        batch = pipeline.featurizer.featurize(pipeline.folder.fold(read.events))
        for change, row in zip(batch.changes, batch.rows, strict=True):
            if change.event is not None and row >= 0:
                own = {"event_type": change.event.event_type, "price": change.event.properties.get("price")}
                yield change.event, dict(zip(names, batch.values[row].tolist(), strict=True)) | own

    for offset, item in enumerate(source):
        records.append(Record("events", 0, offset, item.time_ms or 0, item.key, item.value, ()))
        if len(records) == _BATCH:
            yield from flush()
    yield from flush()


def _visit(event: Event) -> str:
    return f"{event.user_id}/{event.session_id}"
