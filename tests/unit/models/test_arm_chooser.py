"""Bandits: better than chance, the same choice for the same seed, and no lesson from nonsense."""

from __future__ import annotations

import math
from random import Random

import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.models.bandit import POLICIES, ArmChooser
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest

ARMS = ("call", "write", "wait")


def chances(x: float) -> dict[str, float]:
    """Which share of users an arm wins: calling is right for some, waiting for others."""
    return {"call": 0.1 + 0.7 * x, "write": 0.4, "wait": 0.8 - 0.7 * x}


def mean_regret(policy: str, *, rounds: int = 2500, flat: bool = False) -> float:
    """How much a choice loses on average against the best one, in an environment of our own."""
    draw = Random(7)
    chooser = ArmChooser(policy, ARMS, explore=0.1)
    lost = 0.0
    for number in range(rounds):
        x = 0.95 if flat else draw.random()
        choice = chooser.choose({"x": x}, seed=str(number))
        lost += max(chances(x).values()) - chances(x)[choice.arm]
        assert chooser.learn(choice.arm, {"x": x}, float(draw.random() < chances(x)[choice.arm]))
    return lost / rounds


def uniform_regret(*, flat: bool = False) -> float:
    xs = [0.95] if flat else [n / 1000 for n in range(1000)]
    return sum(max(chances(x).values()) - sum(chances(x).values()) / 3 for x in xs) / len(xs)


@pytest.mark.parametrize("policy", POLICIES)
def test_where_one_arm_is_best_regret_is_below_half_of_uniform_choice(policy: str) -> None:
    assert mean_regret(policy, flat=True) < 0.5 * uniform_regret(flat=True)


def test_where_the_best_arm_depends_on_the_context_the_one_that_looks_at_it_wins() -> None:
    regret = mean_regret("LinUCBDisjoint")
    assert regret < 0.5 * uniform_regret()
    assert regret < mean_regret("ThompsonSampling")


@pytest.mark.parametrize("policy", POLICIES)
class TestEveryPolicy:
    def taught(self, policy: str, lessons: int = 60) -> ArmChooser:
        chooser, draw = ArmChooser(policy, ARMS, explore=0.2), Random(1)
        for _ in range(lessons):
            chooser.learn(draw.choice(ARMS), {"x": draw.random()}, float(draw.random() < 0.4))
        return chooser

    def test_two_fresh_ones_are_the_same(self, policy: str) -> None:
        assert digest(ArmChooser(policy, ARMS, explore=0.2)) == digest(ArmChooser(policy, ARMS, explore=0.2))

    def test_probabilities_are_above_the_explored_share_and_add_up(self, policy: str) -> None:
        for chooser in (ArmChooser(policy, ARMS, explore=0.2), self.taught(policy)):
            for seed in range(20):
                choice = chooser.choose({"x": 0.3}, seed=str(seed))
                assert sum(choice.probabilities.values()) == pytest.approx(1)
                assert min(choice.probabilities.values()) >= 0.2 / 3
                assert choice.propensity == choice.probabilities[choice.arm]

    def test_arms_are_chosen_as_often_as_their_propensities_say(self, policy: str) -> None:
        chooser = self.taught(policy)
        choices = [chooser.choose({"x": 0.3}, seed=f"s{n}") for n in range(1500)]
        for arm in ARMS:
            expected = sum(choice.probabilities[arm] for choice in choices)
            assert sum(choice.arm == arm for choice in choices) == pytest.approx(expected, abs=3 * math.sqrt(1500) / 2)

    def test_a_choice_depends_on_lessons_context_and_seed_alone(self, policy: str) -> None:
        one, other = self.taught(policy), self.taught(policy)
        for number in range(30):
            other.choose({"x": 0.9}, seed=f"asked before {number}")
        choices = [one.choose({"x": 0.5}, seed=str(n)) for n in range(30)]
        assert [other.choose({"x": 0.5}, seed=str(n)) for n in range(30)] == choices
        assert digest(one) == digest(other)

    def test_a_snapshot_goes_on_as_if_nothing_had_happened_and_stays_small(self, policy: str) -> None:
        chooser = self.taught(policy, 500)
        blob = snapshot.dumps(chooser, key=b"k", feature_hash="f")
        restored = snapshot.loads(blob, key=b"k", feature_hash="f")
        assert isinstance(restored, ArmChooser)
        assert len(blob) < 2500
        for number in range(20):
            choice = chooser.choose({"x": 0.1 * number}, seed=str(number))
            assert restored.choose({"x": 0.1 * number}, seed=str(number)) == choice
            assert chooser.learn(choice.arm, {"x": 0.5}, 1.0) == restored.learn(choice.arm, {"x": 0.5}, 1.0)
        assert digest(restored) == digest(chooser)

    @pytest.mark.parametrize(
        ("arm", "reward"), [("shout", 1.0), ("call", math.nan), ("call", math.inf), ("call", -0.1), ("call", 1.1)]
    )
    def test_nonsense_teaches_nothing(self, policy: str, arm: str, reward: float) -> None:
        chooser = self.taught(policy)
        before = digest(chooser)
        assert not chooser.learn(arm, {"x": 0.5}, reward)
        assert digest(chooser) == before

    def test_a_context_of_no_numbers_counts_as_zero(self, policy: str) -> None:
        one, other = self.taught(policy), self.taught(policy)
        one.learn("call", {"x": math.nan}, 1.0)
        other.learn("call", {"x": 0.0}, 1.0)
        assert one.choose({"x": math.inf}, seed="s") == other.choose({"x": 0.0}, seed="s")


def test_the_largest_that_a_pack_may_ask_for_fits_into_a_snapshot() -> None:
    arms, draw = [f"arm_{n}" for n in range(8)], Random(3)
    chooser = ArmChooser("LinUCBDisjoint", arms, explore=0.1)
    for _ in range(300):
        chooser.learn(draw.choice(arms), {f"feature_{n}": draw.random() for n in range(7)}, draw.random())
    assert len(snapshot.dumps(chooser, key=b"k", feature_hash="f")) < 10_000


@pytest.mark.parametrize("policy", [name for name, policy in POLICIES.items() if policy.binary])
def test_a_policy_of_successes_takes_no_part_of_one(policy: str) -> None:
    assert not ArmChooser(policy, ARMS, explore=0.1).learn("call", {}, 0.5)


@pytest.mark.parametrize(
    ("policy", "arms", "explore", "message"),
    [
        ("Best", ARMS, 0.1, "no bandit policy 'Best'; there are: EpsilonGreedy, UCB"),
        ("UCB", ("call",), 0.1, "two different ones"),
        ("UCB", ("call", "call"), 0.1, "two different ones"),
        ("UCB", ARMS, 0.0, "no other policy could be judged"),
        ("UCB", ARMS, 1.5, "explore = 1.5"),
    ],
)
def test_what_makes_no_bandit_is_refused(policy: str, arms: tuple[str, ...], explore: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArmChooser(policy, arms, explore=explore)
