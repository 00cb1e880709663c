"""What each online model costs per event, and half-space trees against River's.

Run with ``python -m benchmarks.models_micro [--events N] [--json]``. Each figure is the best of five runs over
the same random rows of 16 features, in microseconds of CPU time per event; the last rows are about a snapshot.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from river import anomaly, linear_model, optim, preprocessing

from ubi_stream.arrays import FloatArray
from ubi_stream.features.event_context import EventContext
from ubi_stream.models.anomaly.alert_rate import AlertRate, ScoredRows
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.anomaly.ensemble import DetectorEnsemble
from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.anomaly.inputs import DetectorInputs
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.models.drift.metrics import MetricRows
from ubi_stream.models.drift.occasions import TrackedRows
from ubi_stream.models.drift.tracking import TrackingWatch
from ubi_stream.models.drift.watch import DriftWatch
from ubi_stream.models.outcomes.calibration import OnlineCalibrator
from ubi_stream.models.outcomes.logistic import OnlineLogistic
from ubi_stream.models.outcomes.quality import RollingQuality
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.models import DriftModel, PopulationAlert
from ubi_stream.packs.plan import compile_plan

FEATURES = tuple(f"f{i:02d}" for i in range(16))
KEY = b"benchmark"
RUNS = 5
BATCH = 500


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    what: str
    value: float
    unit: str


def best_us(run: Callable[[], None], events: int) -> float:
    """Least CPU time of `run` over `events` events, in microseconds per event."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times) / events * 1e6


def half_space_rows(rows: FloatArray) -> list[Row]:
    named = [dict(zip(FEATURES, row, strict=True)) for row in rows[:3_000].tolist()]

    def rivers() -> None:
        trees = anomaly.HalfSpaceTrees(n_trees=25, height=8, seed=7)
        for x in named:
            trees.score_one(x)
            trees.learn_one(x)

    def local(chunk: int, data: FloatArray) -> None:
        forest = HalfSpaceForest(FEATURES, seed=7)
        for start in range(0, len(data), chunk):
            forest.score_learn_many(data[start : start + chunk])

    result = [Row("half-space trees 25 x 8, River, one by one", best_us(rivers, len(named)), "us/event")]
    missing = rows.copy()
    missing[np.random.default_rng(1).random(rows.shape) < 0.1] = np.nan
    for chunk in (1, 8, 32, 256, 1_000):
        data = rows[: min(len(rows), 2_000 * chunk)]
        value = best_us(lambda chunk=chunk, data=data: local(chunk, data), len(data))  # type: ignore[misc]  # bound defaults
        result.append(Row(f"half-space trees 25 x 8, chunks of {chunk}", value, "us/event"))
    value = best_us(lambda: local(256, missing), len(missing))
    result.append(Row("half-space trees 25 x 8, chunks of 256, a tenth missing", value, "us/event"))
    return result


def logistic_rows(rows: FloatArray) -> list[Row]:
    rows = rows[:3_000]
    outcomes = (rows[:, 0] > 0.5).tolist()
    named = [dict(zip(FEATURES, row, strict=True)) for row in rows.tolist()]
    model = OnlineLogistic(FEATURES)

    def rivers() -> None:
        pipeline = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.01))
        for x, outcome in zip(named, outcomes, strict=True):
            pipeline.predict_proba_one(x)
            pipeline.learn_one(x, outcome)

    def learn() -> None:
        for row, outcome in zip(rows, outcomes, strict=True):
            model.learn(row, outcome)

    def predict() -> None:
        for row in rows:
            model.predict(row)

    def predict_many() -> None:
        for start in range(0, len(rows), 256):
            model.predict_many(rows[start : start + 256])

    return [
        Row("logistic regression, River, predict and learn", best_us(rivers, len(rows)), "us/label"),
        Row("logistic regression, learn", best_us(learn, len(rows)), "us/label"),
        Row("logistic regression, predict", best_us(predict, len(rows)), "us/event"),
        Row("logistic regression, predict in chunks of 256", best_us(predict_many, len(rows)), "us/event"),
    ]


def other_rows(rows: FloatArray) -> list[Row]:
    scores = rows[:, 0]
    quantile, peers = OnlineQuantile(0.995), PeerBaseline(len(FEATURES))
    calibrator, quality = OnlineCalibrator(), RollingQuality()
    pairs = [(probability, probability > 0.4) for probability in scores[:3_000].tolist()]

    def track() -> None:
        for start in range(0, len(scores), 256):
            quantile.track_many(scores[start : start + 256])

    entities = [row % 97 for row in range(len(rows))]

    def observe() -> None:
        for start in range(0, len(rows), 256):
            peers.observe(rows[start : start + 256], entities[start : start + 256])

    def calibrate() -> None:
        for probability, outcome in pairs:
            calibrator.transform(probability)
            calibrator.learn(probability, outcome)

    def judge() -> None:
        for probability, outcome in pairs:
            quality.update(probability, outcome)

    return [
        Row("alert threshold, chunks of 256", best_us(track, len(scores)), "us/event"),
        Row("peers' baseline, chunks of 256", best_us(observe, len(rows)), "us/event"),
        Row("calibration, transform and learn", best_us(calibrate, len(pairs)), "us/label"),
        Row("prequential quality", best_us(judge, len(pairs)), "us/label"),
    ]


def anomaly_rows(rows: FloatArray) -> list[Row]:
    """The anomaly model as a worker runs it, and the drift watch, in batches of 500."""
    plan = compile_plan(load_pack("ecommerce"), "user")
    watched = plan.entity.anomaly_features[: len(FEATURES)]
    combinations = Combinations(plan)
    rng = np.random.default_rng(2)
    n = len(rows)
    own = np.where(rng.random((n, 3)) < 0.3, np.nan, rng.standard_normal((n, 3)))
    keys = 8 * rng.integers(0, 60, n).astype(np.uint64)
    judged = np.ones(BATCH, dtype=np.bool_)

    def judge(explain: bool) -> None:
        blend, quantile = DetectorEnsemble(watched, seed=7), OnlineQuantile(0.995)
        rate = AlertRate(PopulationAlert(), 0.005)
        for start in range(0, n, BATCH):
            stop = start + BATCH
            inputs = DetectorInputs.of(rows[start:stop], own[start:stop], keys[start:stop])
            for part in blend.parts(len(inputs)):
                seen = inputs[part]
                look = blend.look(seen)
                over = np.flatnonzero(look.score > quantile.track_many(look.score)).tolist()
                for position in over if explain else ():
                    blend.without(seen, look, position, rows[0])
                    blend.own_without(seen, look, position)
                blend.learn(seen, look)
            rate.watch(ScoredRows(range(start, start + len(inputs)), judged[: len(inputs)], []))

    def drift() -> None:
        watch = DriftWatch(DriftModel(warm_up_h=0), combinations, watched)
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            times = [1_000 * number for number in range(start, start + len(rows[part]))]
            watch.watch(MetricRows(times, keys[part], [True] * len(times), rows[part]))

    def tracking(apart_ms: int) -> None:
        watch = TrackingWatch(("a", "b", "c", "d", "e", "f", "g", "h", "i", "other"), warm_up_ms=0)
        context = [
            EventContext(1, 0.0, True, 0, 0, 0, 0, nth=1 + number % 3, types=1 << number % 9) for number in range(BATCH)
        ]
        for start in range(0, n, BATCH):
            times = [apart_ms * number for number in range(start, start + BATCH)]
            users, kinds = [f"u{number // 9}" for number in range(BATCH)], [number % 9 for number in range(BATCH)]
            watch.watch(TrackedRows(times, times, kinds, users, context, [{"price": 1.0}] * BATCH, ["s"] * BATCH))

    blend = DetectorEnsemble(watched, seed=7)
    for start in range(0, n, BATCH):
        inputs = DetectorInputs.of(rows[start : start + BATCH], own[start : start + BATCH], keys[start : start + BATCH])
        for part in blend.parts(len(inputs)):
            blend.learn(inputs[part], blend.look(inputs[part]))
    whole = best_us(lambda: judge(explain=True), n)
    return [
        Row("anomaly ensemble, explanations of 0.5 % included, batches of 500", whole, "us/event"),
        Row("anomaly ensemble, without explanations", best_us(lambda: judge(explain=False), n), "us/event"),
        Row("drift watch, batches of 500", best_us(drift, n), "us/event"),
        Row("tracking watch, 100 events a second", best_us(lambda: tracking(10), n), "us/event"),
        Row("tracking watch, 600 events an hour", best_us(lambda: tracking(6_000), n), "us/event"),
        Row("snapshot of the anomaly ensemble, size", float(len(dumps(blend, key=KEY, feature_hash="f"))), "bytes"),
    ]


def snapshot_rows(rows: FloatArray) -> list[Row]:
    forest = HalfSpaceForest(FEATURES, seed=7)
    forest.learn_many(rows[:1_125])
    blob = dumps(forest, key=KEY, feature_hash="f")
    return [
        Row("snapshot of half-space trees, size", float(len(blob)), "bytes"),
        Row(
            "snapshot of half-space trees, write",
            best_us(lambda: void(dumps(forest, key=KEY, feature_hash="f")), 1),
            "us",
        ),
        Row(
            "snapshot of half-space trees, read", best_us(lambda: void(loads(blob, key=KEY, feature_hash="f")), 1), "us"
        ),
        Row("digest of half-space trees", best_us(lambda: void(digest(forest)), 1), "us"),
    ]


def void(_: object) -> None:
    """Drop a result."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of the online models per event.")
    parser.add_argument("--events", type=int, default=20_000, help="rows for the chunked models")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of a table")
    arguments = parser.parse_args()
    rows = np.random.default_rng(0).random((arguments.events, len(FEATURES)))
    result = [*half_space_rows(rows), *logistic_rows(rows), *other_rows(rows), *anomaly_rows(rows)]
    result += snapshot_rows(rows)
    if arguments.json:
        print(json.dumps([asdict(row) for row in result]))
        return
    for row in result:
        print(f"{row.what:58} {row.value:10.2f} {row.unit}")


if __name__ == "__main__":
    main()
