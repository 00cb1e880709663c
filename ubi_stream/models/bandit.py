"""Which of several recommendations to give: bandit policies of River, seeded by what they decide about.

A policy proposes an arm for a context; a share of the choices is made at random among all arms, so that each arm has a
known probability, its propensity. With it anybody can judge another policy by what this one did (see
`ubi_stream.evaluate.bandits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Any, Final

from river import bandit, proba

from ubi_stream.errors import ConfigError
from ubi_stream.ids import short_hash, uniform_hash

_SAMPLED_DRAWS: Final = 16
"""Proposals of a policy that draws at random: their frequencies are the propensities. More cost time at each choice."""
CONSTANT: Final = "constant"
"""A part of every context that is always 1, so that an arm may be good whatever the context."""


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """A policy of River that may be named.

    `binary` says that it takes rewards of 0 and 1 only; `draws` how often it is asked for one choice.
    """

    make: Callable[[], bandit.base.Policy]
    binary: bool = False
    draws: int = 1


POLICIES: Final[Mapping[str, PolicyChoice]] = {
    "EpsilonGreedy": PolicyChoice(lambda: bandit.EpsilonGreedy(epsilon=0.0)),  # the share at random is ours
    "UCB": PolicyChoice(lambda: bandit.UCB(delta=1.0)),
    "BayesUCB": PolicyChoice(bandit.BayesUCB, binary=True),
    "ThompsonSampling": PolicyChoice(
        lambda: bandit.ThompsonSampling(reward_obj=proba.Beta()), binary=True, draws=_SAMPLED_DRAWS
    ),
    "LinUCBDisjoint": PolicyChoice(bandit.LinUCBDisjoint),
}
"""By the name that a pack uses. The last looks at the context, the others at the rewards alone."""


@dataclass(frozen=True, slots=True)
class ArmChoice:
    """An arm, and with which probability each might have been chosen: more than 0 for all."""

    arm: str
    probabilities: Mapping[str, float]

    @property
    def propensity(self) -> float:
        """Probability of the arm that was chosen."""
        return self.probabilities[self.arm]


class ArmChooser:
    """Chooses among arms and learns from their rewards.

    The choice depends on what was learned, the context and the seed alone: no random state is kept, neither here nor
    in a snapshot.

    Parameters
    ----------
    policy
        One of `POLICIES`.
    arms
        Names, two at least.
    explore
        Share of the choices that are made at random, in (0, 1].

    Attributes
    ----------
    pulls, rewards
        By arm, how many rewards were learned and their sum.

    Raises
    ------
    ConfigError
        There is no such policy, too few arms, or a share out of range.

    Examples
    --------
    >>> chooser = ArmChooser("ThompsonSampling", ("call", "write"), explore=0.1)
    >>> for n in range(40):
    ...     _ = chooser.learn("write", {}, 1.0), chooser.learn("call", {}, 0.0)
    >>> choice = chooser.choose({}, seed="insight 1")
    >>> choice.arm, round(choice.propensity, 2)
    ('write', 0.95)
    """

    def __init__(self, policy: str, arms: Sequence[str], *, explore: float) -> None:
        if policy not in POLICIES:
            raise ConfigError(f"no bandit policy {policy!r}; there are: {', '.join(POLICIES)}")
        if len(set(arms)) < 2 or len(set(arms)) < len(arms):
            raise ConfigError(f"arms {list(arms)}: expected two different ones at least")
        if not 0 < explore <= 1:
            raise ConfigError(f"explore = {explore}: expected more than 0, or no other policy could be judged by it")
        self.name = policy
        self.arms = tuple(arms)
        self.explore = explore
        self.pulls = dict.fromkeys(arms, 0)
        self.rewards = dict.fromkeys(arms, 0.0)
        self._policy = POLICIES[policy].make()
        self._is_contextual = isinstance(self._policy, bandit.base.ContextualPolicy)
        self._lend(None)  # River gives it one that nobody seeded

    def choose(self, context: Mapping[str, float], seed: str) -> ArmChoice:
        """Choose an arm. The same seed after the same lessons gives the same choice.

        A value of the context that is missing or no finite number counts as 0.
        """
        proposed = self._proposals(_finite(context), seed)
        floor = self.explore / len(self.arms)
        probabilities = {arm: floor + (1 - self.explore) * proposed.count(arm) / len(proposed) for arm in self.arms}
        at, passed = uniform_hash(f"choice {seed}"), 0.0
        for arm, probability in probabilities.items():
            passed += probability
            if at < passed:
                return ArmChoice(arm, probabilities)
        return ArmChoice(self.arms[-1], probabilities)  # rounding left a gap below 1

    def learn(self, arm: str, context: Mapping[str, float], reward: float) -> bool:
        """Learn the reward of an arm; False if it can't be: the arm is unknown, or the reward not in [0, 1]."""
        binary = POLICIES[self.name].binary
        if arm not in self.pulls or not isfinite(reward) or not 0 <= reward <= 1 or (binary and reward not in (0, 1)):
            return False
        with self._random(f"reward {self.pulls[arm]}"):
            if self._is_contextual:
                self._policy.update(arm, _finite(context), reward)
            else:
                self._policy.update(arm, reward)
        self.pulls[arm] += 1
        self.rewards[arm] += reward
        return True

    def _proposals(self, context: dict[str, float], seed: str) -> list[str]:
        arms = list(self.arms)
        with self._random(seed):
            if self._is_contextual:
                return [self._policy.pull(arms, context) for _ in range(POLICIES[self.name].draws)]
            return [self._policy.pull(arms) for _ in range(POLICIES[self.name].draws)]

    @contextmanager
    def _random(self, seed: str) -> Iterator[None]:
        """Lend the policy a generator of its own for one step.

        Kept in the policy it would be 2.5 kB of the snapshot for each arm, and its draws would hang on all before.
        """
        self._lend(_LateRandom(seed))
        yield
        self._lend(None)

    def _lend(self, generator: _LateRandom | None) -> None:
        policy = self._policy
        posteriors = policy._posteriors.values() if isinstance(policy, bandit.BayesUCB) else ()
        for holder in (policy, policy.reward_obj, *policy._rewards.values(), *posteriors):
            if hasattr(holder, "_rng"):
                holder._rng = generator


class _LateRandom:
    """A generator that is seeded when it is first used: most policies draw seldom, and seeding takes longer."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._generator: Random | None = None

    def __getattr__(self, name: str) -> Any:
        if self._generator is None:
            self._generator = Random(short_hash(self._seed))
        return getattr(self._generator, name)


def _finite(context: Mapping[str, float]) -> dict[str, float]:
    return {CONSTANT: 1.0} | {name: value if isfinite(value) else 0.0 for name, value in context.items()}
