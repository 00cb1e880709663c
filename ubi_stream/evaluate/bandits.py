"""How good would another way of choosing have been? Answered from a log of choices, without trying it on anybody.

A log has, for each choice, the context, the arm, the probability with which that arm was chosen (its propensity) and
the reward. A policy is taken through it in order: it is asked before it learns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from ubi_stream.data.readers import open_rows
from ubi_stream.errors import ConfigError
from ubi_stream.ids import uniform_hash
from ubi_stream.mappings.specs import FileSpec
from ubi_stream.models.bandit import ArmChooser

_Z: Final = 1.96
"""Half the width of a 95 % interval, in standard errors."""
_RECORDS: Final = ("choice", "reward", "answer", "erasure")
"""Types of the records of the recommendations topic."""
_COLUMNS: Final = {"arm": "the arm", "propensity": "its probability", "reward": "the reward"}


@dataclass(frozen=True, slots=True)
class LoggedChoice:
    """One choice that was made: `propensity` in (0, 1], `reward` in [0, 1]."""

    context: dict[str, float]
    arm: str
    propensity: float
    reward: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward with its 95 % interval by the normal approximation, and the rows it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy would have brought.

    Attributes
    ----------
    logged
        Mean reward of the log itself.
    ips
        By inverse propensity scores: unbiased, and wide where propensities are small.
    snips
        The same, divided by the sum of the weights: a little biased, mostly narrower (Swaminathan, Joachims 2015).
    replay
        Mean reward of the rows where the policy chose as the log did, and learned nothing else (Li, Chu, Langford, Wang
        2011). Rows are thinned first to what a log of uniform choices would have.
    uniform
        Choosing at random, by inverse propensity scores.
    best_arm, best
        The one arm that would have been the best for everybody, and its estimate; chosen by hindsight.
    """

    logged: Estimate
    ips: Estimate
    snips: Estimate
    replay: Estimate
    uniform: Estimate
    best_arm: str
    best: Estimate


def read_choices(path: Path, segment: str | None = None) -> list[LoggedChoice]:
    """Read a log of choices.

    Parameters
    ----------
    path
        A table with the columns `arm`, `propensity`, `reward`, and any others as the context; a missing number is 0. Or
        the recommendations topic as JSON Lines (`.jsonl`): its rewards, each once, in their order.
    segment
        Of that topic, only the rewards of this segment: each has recommendations of its own.

    Raises
    ------
    ConfigError
        The file can't be read, lacks a column, or a number is out of range; or it has several segments, and none is
        named.
    """
    with open_rows(path, FileSpec(), dict(_COLUMNS)) as reader:
        rows = [row.values for row in reader if row.values is not None]
    if rows and all(row.get("type") in _RECORDS for row in rows):
        rows = list(_rewards(rows, segment, path))
    elif segment is not None:
        raise ConfigError(f"file {path} is no topic of recommendations: only that has segments")
    return [_choice(values, number, path) for number, values in enumerate(rows, 1)]


def _rewards(records: Iterable[dict[str, Any]], segment: str | None, path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a log from records of recommendations, of which one may have come twice."""
    rewards = {record["id"]: record for record in records if record["type"] == "reward"}
    segments = sorted({record["segment"] for record in rewards.values()})
    if segment is None and len(segments) > 1:
        raise ConfigError(f"file {path} has rewards of several segments: name one by --segment: {', '.join(segments)}")
    if segment is not None and segment not in segments:
        raise ConfigError(
            f"file {path} has no rewards of segment {segment!r}; there are: {', '.join(segments) or 'none'}"
        )
    for record in rewards.values():
        if segment in (None, record["segment"]):
            known = {"arm": record["action"], "propensity": record["propensity"], "reward": record["reward"]}
            yield record["context"] | known


def judge(log: Sequence[LoggedChoice], policy: str, *, explore: float = 0.1) -> Judgement:
    """Take a policy through a log.

    Parameters
    ----------
    log
        Choices in their order.
    policy, explore
        As in a pack's `[models.bandit]`.

    Raises
    ------
    ConfigError
        The log is empty or has one arm only, there is no such policy, or it can't learn the log's rewards.
    """
    arms = sorted({choice.arm for choice in log})
    weights = _weights(log, ArmChooser(policy, arms, explore=explore))
    rewards = np.array([choice.reward for choice in log])
    propensities = np.array([choice.propensity for choice in log])
    by_arm = {arm: np.array([choice.arm == arm for choice in log]) / propensities for arm in arms}
    best_arm = max(arms, key=lambda arm: float((by_arm[arm] * rewards).mean()))
    return Judgement(
        logged=_mean(rewards),
        ips=_mean(weights * rewards),
        snips=_self_normalised(weights, rewards),
        replay=_mean(_replayed(log, ArmChooser(policy, arms, explore=explore))),
        uniform=_mean(rewards / propensities / len(arms)),
        best_arm=best_arm,
        best=_mean(by_arm[best_arm] * rewards),
    )


def _weights(log: Iterable[LoggedChoice], chooser: ArmChooser) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How much likelier each choice was to the policy, which learned all of the log before it."""
    weights: list[float] = []
    for number, choice in enumerate(log):
        asked = chooser.choose(choice.context, seed=f"row {number}")
        weights.append(asked.probabilities[choice.arm] / choice.propensity)
        _learn(chooser, choice)
    return np.array(weights)


def _replayed(log: Sequence[LoggedChoice], chooser: ArmChooser) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Rewards of the rows where the policy chose as the log did; it learned those alone."""
    least = min(choice.propensity for choice in log)
    rewards: list[float] = []
    for number, choice in enumerate(log):
        if uniform_hash(f"thin {number}") >= least / choice.propensity:
            continue
        if chooser.choose(choice.context, seed=f"row {number}").arm == choice.arm:
            rewards.append(choice.reward)
            _learn(chooser, choice)
    return np.array(rewards)


def _learn(chooser: ArmChooser, choice: LoggedChoice) -> None:
    if not chooser.learn(choice.arm, choice.context, choice.reward):
        raise ConfigError(f"reward = {choice.reward}: {chooser.name} learns rewards of 0 and 1 only")


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> Estimate:
    n = len(values)
    if not n:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    mean = float(values.mean())
    half = _Z * float(values.std(ddof=1)) / sqrt(n) if n > 1 else float("inf")
    return Estimate(mean, mean - half, mean + half, n)


def _self_normalised(
    weights: np.ndarray[Any, np.dtype[np.float64]], rewards: np.ndarray[Any, np.dtype[np.float64]]
) -> Estimate:
    total = float(weights.sum())
    mean = float((weights * rewards).sum()) / total
    half = _Z * sqrt(float((weights**2 * (rewards - mean) ** 2).sum())) / total
    return Estimate(mean, mean - half, mean + half, len(rewards))


def _choice(values: dict[str, Any], number: int, path: Path) -> LoggedChoice:
    if lacking := _COLUMNS.keys() - values.keys():  # a JSON line may have any members
        raise ConfigError(f"file {path}, row {number} has no {min(lacking)!r}, {_COLUMNS[min(lacking)]}")
    propensity, reward = (_number(values[name], name, number, path) for name in ("propensity", "reward"))
    if not 0 < propensity <= 1 or not 0 <= reward <= 1:
        raise ConfigError(
            f"file {path}, row {number}: propensity = {propensity:g}, reward = {reward:g}; expected (0, 1] and [0, 1]"
        )
    context = {
        name: 0.0 if value in (None, "") else _number(value, name, number, path)
        for name, value in values.items()
        if name not in _COLUMNS
    }
    return LoggedChoice(context, str(values["arm"]), propensity, reward)


def _number(value: Any, name: str, number: int, path: Path) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not isfinite(found):
        raise ConfigError(f"file {path}, row {number}: {name} = {value!r}, a number was expected")
    return found
