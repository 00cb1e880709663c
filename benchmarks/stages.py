"""Where the core's time goes: microseconds of processor time an event, by stage and batch size.

Run with ``python -m benchmarks.stages [--file FILE --mapping NAME] [--json]``; without a file, on generated shoppers
with Zipf activity. One partition takes all events; the first part of them only warms it up. Stages are timed around
the very calls of `Pipeline.run`. Folding and featurizing take turns event by event, so a second partition folds only:
featurizing is what the first one needs beyond that.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from ubi_stream import pipeline
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.events.model import Record
from ubi_stream.events.stage import read_events
from ubi_stream.insights.encoding import encode_insight
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.pipeline import Pipeline
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions
from ubi_stream.worker import GC_THRESHOLDS

BATCH_SIZES: Final = (100, 256, 2000)
"""256 is what a worker takes at most (`UBI_CHUNK_MAX_EVENTS`)."""
CUT_EVERY: Final = 8_000
"""Events of a partition between two barriers: two seconds at 4,000 events/s."""
START_MS: Final = 1_790_000_000_000
NOW_MS: Final = 1_795_000_000_000
"""When all of it arrived: after everything happened."""
IN_PIPELINE: Final = (
    "decode, validate",
    "route",
    "fold",
    "featurize",
    "segments",
    "models",
    "decide",
    "windows",
    "tally",
)
STAGES: Final = (*IN_PIPELINE, "rest", "encode insights", "cut")


@dataclass(frozen=True)
class Row:
    """Microseconds an event of one stage, with batches of one size."""

    stage: str
    batch: int
    us_per_event: float


class Stopwatch:
    """Adds up processor time by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Time the body."""
        started_s = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - started_s

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.of(stage):
                return function(*args, **kwargs)

        return call


class _Timed:
    """An object with one of its methods timed."""

    def __init__(self, inner: object, method: str, stage: str, watch: Stopwatch) -> None:
        self._inner = inner
        setattr(self, method, watch.timed(stage, getattr(inner, method)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def measure(records: Sequence[Record], warm_up: int, batch: int, pack: Pack) -> list[Row]:
    """Time each stage over the records after the first `warm_up`."""
    whole, folding, watch = _partition(pack), _partition(pack), Stopwatch()
    events = 0
    for start in range(0, len(records), batch):
        if events == 0 and start >= warm_up:
            watch, events = Stopwatch(), len(records) - start
        part = records[start : start + batch]
        is_cut = (start + batch) // CUT_EVERY > start // CUT_EVERY
        _run(whole, part, watch, cut=is_cut)
        _fold(folding, part, watch, cut=is_cut)
    seconds = watch.seconds
    seconds["featurize"] -= seconds["fold"]
    seconds["rest"] -= sum(seconds[stage] for stage in IN_PIPELINE)
    seconds["all"] = sum(seconds.values())
    return [Row(stage, batch, round(spent / events * 1e6, 2)) for stage, spent in seconds.items()]


def _run(partition: Partition, records: Sequence[Record], watch: Stopwatch, *, cut: bool) -> None:
    """All that a worker does with a batch, but Kafka."""
    with _timed_stages(partition.pipeline, watch) as stages, watch.of("rest"):
        effects = stages.run(records, forwarded=False)
    with watch.of("encode insights"):
        for insight in effects.insights:
            encode_insight(insight)
    if cut:
        with watch.of("cut"):
            partition.take_checkpoint()


def _fold(partition: Partition, records: Sequence[Record], watch: Stopwatch, *, cut: bool) -> None:
    """Folding alone."""
    stages = partition.pipeline
    events = read_events(records, stages.validator, forwarded=False).events
    with watch.of("fold"):
        deque(stages.folder.fold(events), maxlen=0)
    stages.progress.learn_up_to(records[-1].topic, records[-1].offset)
    if cut:
        partition.take_checkpoint()


@contextmanager
def _timed_stages(stages: Pipeline, watch: Stopwatch) -> Iterator[Pipeline]:
    """The pipeline with a stopwatch at each stage."""
    methods = {
        "featurizer": ("featurize", "featurize"),
        "segments": ("assign", "segments"),
        "models": ("score_and_learn", "models"),
        "policy": ("decide", "decide"),
        "windows": ("count", "windows"),
    }
    timed: dict[str, Any] = {name: _Timed(getattr(stages, name), *how, watch) for name, how in methods.items()}
    functions = {"read_events": "decode, validate", "key_by_user": "route", "fan_out": "route", "tally": "tally"}
    with ExitStack() as stack:
        for name, stage in functions.items():
            stack.enter_context(patch.object(pipeline, name, watch.timed(stage, getattr(pipeline, name))))
        yield replace(stages, **timed)


def _partition(pack: Pack) -> Partition:
    cache_size = Settings(partitions=4).state_cache_of_a_partition
    setup = PartitionSetup(pack, "user", 0, epoch=1, seed=1, snapshot_key=b"key", cache_size=cache_size)
    return Partition(setup, {}, {})


def read_records(file: Path | None, mapping: str, events: int) -> list[Record]:
    """So many records of a file, or of generated shoppers, as one partition of the events topic would have them."""
    if file is None:
        options = TrafficOptions(users=12_500, rate=50.0, zipf=1.0, start_ms=START_MS)
        return _positioned(Traffic(options).records(events))
    with ReplaySource(file, mapping) as source:
        return _positioned(islice(source, events))


def _positioned(records: Iterable[ProducerRecord]) -> list[Record]:
    return [Record("events", 0, n, NOW_MS, item.key, item.value) for n, item in enumerate(records)]


def as_markdown(rows: Sequence[Row]) -> str:
    """A table with a line for each stage and a column for each batch size."""
    sizes = sorted({row.batch for row in rows})
    figures = {(row.stage, row.batch): row.us_per_event for row in rows}
    lines = [f"| stage | {' | '.join(f'batches of {size}' for size in sizes)} |", f"|---|{'---:|' * len(sizes)}"]
    lines += [
        f"| {stage} | {' | '.join(f'{figures[stage, size]:.1f}' for size in sizes)} |"
        for stage in dict.fromkeys(row.stage for row in rows)
    ]
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, help="events instead of generated ones")
    parser.add_argument("--mapping", default="own", help="what the file's columns are")
    parser.add_argument("--pack", default="ecommerce")
    parser.add_argument(
        "--events", type=int, default=80_000, help="as many are measured, after half as many to warm up"
    )
    parser.add_argument("--runs", type=int, default=3, help="each figure is the least of so many runs")
    parser.add_argument("--batch", type=int, nargs="+", default=BATCH_SIZES)
    args = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)
    warm_up = args.events // 2
    records = read_records(args.file, args.mapping, warm_up + args.events)
    pack = load_pack(args.pack)
    runs = [[row for size in args.batch for row in measure(records, warm_up, size, pack)] for _ in range(args.runs)]
    rows = [min(same, key=lambda row: row.us_per_event) for same in zip(*runs, strict=True)]
    print(as_markdown(rows))
    print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
