"""Are a pack's voices, drift detectors and forecasters fit to run? Tried out as they run in a worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
from river import checks

from ubi_stream.arrays import FloatArray
from ubi_stream.errors import SnapshotError
from ubi_stream.models.anomaly.custom import CustomDetector
from ubi_stream.models.anomaly.river_detector import RiverDetector
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.river_models import named
from ubi_stream.models.drift.river_detector import MetricWatch
from ubi_stream.models.forecast import ForecastCandidate, run_if_able
from ubi_stream.models.model_checks import EXAMPLES, KEY, CpuClock, Vetted, problems_of
from ubi_stream.models.registry import Recipe

_RIVERS: Final = (
    checks.common.check_learn_one,
    checks.common.check_pickling,
    checks.common.check_disappearing_features,
    checks.common.check_radically_disappearing_features,
    checks.common.check_no_state_aliasing_with_input,
    checks.common.check_clone_is_independent,
)
"""Those of River's own checks that apply to an anomaly detector and need no data but ours."""

_BAD: Final = (math.nan, math.inf, -math.inf, 1e308)
_DAYS: Final = 29
"""As many as a user's state keeps."""
_HORIZON: Final = 7


def check_detector(recipe: Recipe, rows: FloatArray, *, cpu_s: CpuClock) -> Vetted:
    """Try a detector on rows of its features, and measure what it costs.

    Raises
    ------
    ConfigError
        The detector can't be made.
    """
    first = recipe.make_detector()
    promises = ((promise, partial(holds, recipe, rows)) for promise, holds in _OF_VOICES)
    problems = (*_rivers_problems(first, recipe, rows), *problems_of(promises))
    if problems:
        return Vetted(problems)
    custom_detector = _taught(recipe, rows)
    start_s = cpu_s()
    _teach(custom_detector, rows)
    learned_s = cpu_s()
    custom_detector.score_many(rows)
    return _measured(custom_detector, cpu_s() - learned_s, learned_s - start_s, len(rows))


def check_drift_detector(kind: str, parameters: Mapping[str, Any], values: FloatArray, *, cpu_s: CpuClock) -> Vetted:
    """Try a drift detector on values in [0, 1]; its cost is that of one value.

    Raises
    ------
    ConfigError
        The detector can't be made.
    """

    def fresh() -> MetricWatch:
        return MetricWatch("tried", kind, parameters, newest=5)

    def repeats() -> bool:
        return _told(fresh(), values) == _told(fresh(), values)

    def survives() -> bool:
        stays, half = fresh(), len(values) // 2
        _told(stays, values[:half])
        moves = _moved(stays)
        return isinstance(moves, MetricWatch) and _told(moves, values[half:]) == _told(stays, values[half:])

    fresh()
    problems = tuple(problems_of(((_REPEATABLE, repeats), (_SURVIVES, survives))))
    if problems:
        return Vetted(problems)
    watch, start_s = fresh(), cpu_s()
    _told(watch, values)
    return _measured(watch, cpu_s() - start_s, 0.0, len(values))


def vet_forecaster(candidate: ForecastCandidate, *, cpu_s: CpuClock) -> Vetted:
    """Try a forecaster on a month with a weekly rhythm; its cost is that of one user's forecast. It has no state."""
    days = [10.0 + 4.0 * math.sin(day) + 6.0 * (day % 7 == 0) for day in range(_DAYS)]

    def forecasts() -> bool:
        return run_if_able(candidate, days, _HORIZON) is not None

    def repeats() -> bool:
        runs = [run_if_able(candidate, days, _HORIZON) for _ in range(2)]
        return len({str(run.ahead) for run in runs if run is not None}) == 1

    problems = tuple(problems_of((("it forecasts a month of days", forecasts), (_REPEATABLE, repeats))))
    if problems:
        return Vetted(problems)
    start_s = cpu_s()
    run_if_able(candidate, days, _HORIZON)
    return Vetted((), (cpu_s() - start_s) * 1e6, 0.0, 0)


def _rivers_problems(detector: object, recipe: Recipe, rows: FloatArray) -> Iterator[str]:
    if not isinstance(detector, RiverDetector) or detector.figure is not None:
        return
    numbers = [x for row in rows[:EXAMPLES] if (x := named(recipe.features, row))]
    for check in _RIVERS:
        try:
            check(detector.estimator.clone(), [(x, False) for x in numbers])
        except Exception as error:  # noqa: BLE001 - a check fails by any error
            yield f"River's {check.__name__} fails: {type(error).__name__}: {error}"


def _taught(recipe: Recipe, rows: FloatArray) -> CustomDetector:
    custom_detector = CustomDetector("tried", recipe, recipe.features)
    _teach(custom_detector, rows)
    return custom_detector


def _teach(custom_detector: CustomDetector, rows: FloatArray) -> None:
    custom_detector.keep(rows, 0)
    custom_detector.learn()


def _gives_scores(recipe: Recipe, rows: FloatArray) -> bool:
    return bool(np.isfinite(_taught(recipe, rows).score_many(rows)).any())


def _scores_without_learning(recipe: Recipe, rows: FloatArray) -> bool:
    custom_detector = _taught(recipe, rows)
    before, many = digest(custom_detector), custom_detector.score_many(rows)
    single = np.concatenate([custom_detector.score_many(rows[place : place + 1]) for place in range(len(rows))])
    return single.tobytes() == many.tobytes() and digest(custom_detector) == before


def _is_repeatable(recipe: Recipe, rows: FloatArray) -> bool:
    return _taught(recipe, rows).score_many(rows).tobytes() == _taught(recipe, rows).score_many(rows).tobytes()


def _survives_a_restart(recipe: Recipe, rows: FloatArray) -> bool:
    half = len(rows) // 2
    stays = _taught(recipe, rows[:half])
    moves = _moved(stays)
    if not isinstance(moves, CustomDetector):
        return False
    for custom_detector in (stays, moves):
        _teach(custom_detector, rows[half:])
    return stays.score_many(rows).tobytes() == moves.score_many(rows).tobytes()


def _bears_bad_values(recipe: Recipe, rows: FloatArray) -> bool:
    custom_detector, bad = _taught(recipe, rows), np.array([np.full(rows.shape[1], value) for value in _BAD])
    _teach(custom_detector, bad)
    custom_detector.score_many(bad)
    return bool(np.isfinite(custom_detector.score_many(rows)).any())


_REPEATABLE: Final = "equal runs are equal"
_SURVIVES: Final = "a snapshot goes on as if nothing had happened"
_OF_VOICES: Final[tuple[tuple[str, Callable[[Recipe, FloatArray], bool]], ...]] = (
    ("scores are numbers", _gives_scores),
    ("scoring changes nothing, and is the same for one row as for many", _scores_without_learning),
    (_REPEATABLE, _is_repeatable),
    (_SURVIVES, _survives_a_restart),
    ("missing and absurd values do no harm", _bears_bad_values),
)


def _told(watch: MetricWatch, values: FloatArray) -> list[object]:
    return [watch.update(value) for value in values.tolist()]


def _moved(model: object) -> object:
    return snapshot.loads(snapshot.dumps(model, key=KEY, feature_hash=""), key=KEY, feature_hash="")


def _measured(model: object, score_s: float, learn_s: float, n: int) -> Vetted:
    try:
        size = len(snapshot.dumps(model, key=KEY, feature_hash=""))
    except SnapshotError as error:
        return Vetted((f"a snapshot must fit into a record: {error}",))
    return Vetted((), score_s / n * 1e6, learn_s / n * 1e6, size)
