"""Is a model fit to run? What a pack's candidates must hold to, tried out before a worker starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import numpy as np
from river import checks

from ubi_stream.arrays import FloatArray
from ubi_stream.errors import SnapshotError
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.protocol import OnlineModel
from ubi_stream.models.common.river_models import RiverModel
from ubi_stream.models.registry import Recipe

KEY: Final = b"not a secret: nothing leaves the process"
EXAMPLES: Final = 60
"""Rows that River's checks get: each of them goes through all a few times."""

_RIVERS: Final = (
    checks.common.check_learn_one,
    checks.common.check_pickling,
    checks.common.check_shuffle_features_no_impact,
    checks.common.check_emerging_features,
    checks.common.check_disappearing_features,
    checks.common.check_radically_disappearing_features,
    checks.common.check_predict_one_pure,
    checks.common.check_predict_one_before_any_learn,
    checks.common.check_no_state_aliasing_with_input,
    checks.common.check_clone_is_independent,
    checks.clf.check_predict_proba_one,
)
"""Those of River's own checks that apply to a binary classifier and need no data but ours."""

Labels: TypeAlias = list[bool]
CpuClock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Vetted:
    """What came of trying a model.

    Attributes
    ----------
    problems
        What it doesn't hold to, one sentence each; none if it may run.
    score_us, learn_us
        Processor time of scoring a row among many, and of learning a label, in µs on this machine.
    snapshot_bytes
        Of what it learned from the rows, compressed.
    """

    problems: tuple[str, ...]
    score_us: float = math.nan
    learn_us: float = math.nan
    snapshot_bytes: int = 0


def check_model(recipe: Recipe, rows: FloatArray, labels: Labels, *, cpu_s: CpuClock) -> Vetted:
    """Try a model on rows of its features, and measure what it costs.

    Parameters
    ----------
    rows, labels
        Shape (n, F) and n, a few hundred at least, both classes among them.
    cpu_s
        Where processor time comes from.

    Raises
    ------
    ConfigError
        The model can't be made.
    """
    first = recipe.make()
    problems = list(_problems(recipe, first, rows, labels))
    if problems:
        return Vetted(tuple(problems))
    model = recipe.make()
    _teach(model, rows, labels)
    start_s = cpu_s()
    _teach(model, rows, labels)
    learned_s = cpu_s()
    for place in range(0, len(rows), 64):
        model.score_many(rows[place : place + 64])
    score_s, learn_s = cpu_s() - learned_s, learned_s - start_s
    try:
        size = len(snapshot.dumps(dict(model.snapshot()), key=KEY, feature_hash=""))
    except SnapshotError as error:
        return Vetted((f"a snapshot must fit into a record: {error}",))
    return Vetted((), score_s / len(rows) * 1e6, learn_s / len(rows) * 1e6, size)


def _problems(recipe: Recipe, first: OnlineModel, rows: FloatArray, labels: Labels) -> Iterator[str]:
    if isinstance(first, RiverModel):
        yield from _rivers_problems(first, rows, labels)
    yield from problems_of((promise, partial(holds, recipe, rows, labels)) for promise, holds in _PROMISES)


def problems_of(promises: Iterable[tuple[str, Callable[[], bool]]]) -> Iterator[str]:
    """Say which promises a model doesn't keep, one sentence each."""
    for promise, holds in promises:
        try:
            kept = holds()
        except Exception as error:  # noqa: BLE001 - anybody's code may raise anything; it is what is to be told
            yield f"{promise}: {type(error).__name__}: {error}"
        else:
            if not kept:
                yield f"{promise}: it is not so"


def _rivers_problems(model: RiverModel, rows: FloatArray, labels: Labels) -> Iterator[str]:
    numbers = [model.named(row) for row in rows[:EXAMPLES]]
    for check in _RIVERS:
        try:
            check(model.estimator.clone(), list(zip(numbers, labels, strict=False)))
        except Exception as error:  # noqa: BLE001 - a check fails by any error
            yield f"River's {check.__name__} fails: {type(error).__name__}: {error}"


def _gives_probabilities(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    model = recipe.make()
    before = model.score_many(rows[:5])
    _teach(model, rows, labels)
    scores = np.concatenate((before, model.score_many(rows)))
    return bool(((scores >= 0.0) & (scores <= 1.0)).all())


def _scores_without_learning(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    model = recipe.make()
    _teach(model, rows, labels)
    before = digest(dict(model.snapshot()))
    many = model.score_many(rows).tolist()
    return [model.score(row) for row in rows] == many and digest(dict(model.snapshot())) == before


def _is_repeatable(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    twins = recipe.make(), recipe.make()
    for model in twins:
        _teach(model, rows, labels)
    return twins[0].score_many(rows).tobytes() == twins[1].score_many(rows).tobytes()


def _survives_a_restart(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    half = len(rows) // 2
    stays, moves = recipe.make(), recipe.make()
    _teach(stays, rows[:half], labels[:half])
    state = snapshot.loads(snapshot.dumps(dict(stays.snapshot()), key=KEY, feature_hash=""), key=KEY, feature_hash="")
    if not isinstance(state, dict):
        return False
    moves.restore(state)
    for model in (stays, moves):
        _teach(model, rows[half:], labels[half:])
    return stays.score_many(rows).tobytes() == moves.score_many(rows).tobytes()


def _bears_bad_values(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    model = recipe.make()
    _teach(model, rows, labels)
    for value in (math.nan, math.inf, -math.inf, 1e308):
        row = np.full(rows.shape[1], value)
        model.learn(row, True)
        if not 0.0 <= model.score(row) <= 1.0:
            return False
    return bool(np.isfinite(model.score_many(rows)).all())


def _explains(recipe: Recipe, rows: FloatArray, labels: Labels) -> bool:
    model = recipe.make()
    _teach(model, rows, labels)
    parts = model.contributions(rows[-1], rows[0])
    return parts.shape == rows[0].shape and bool(np.isfinite(parts).all())


_PROMISES: Final = (
    ("scores are probabilities", _gives_probabilities),
    ("scoring changes nothing, and is the same for one row as for many", _scores_without_learning),
    ("equal runs are equal", _is_repeatable),
    ("a snapshot goes on as if nothing had happened", _survives_a_restart),
    ("missing and absurd values do no harm", _bears_bad_values),
    ("contributions are finite, one for each feature", _explains),
)


def _teach(model: OnlineModel, rows: FloatArray, labels: Labels) -> None:
    for row, label in zip(rows, labels, strict=True):
        model.learn(row, label)
