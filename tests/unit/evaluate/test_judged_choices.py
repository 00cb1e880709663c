"""Other ways of choosing, judged by a log: estimates hold the truth that the log was made with."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from support.advice import advice_pack, weeks
from support.folding import Runner
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.bandits import LoggedChoice, judge, read_choices
from ubi_stream.insights.encoding import encode_recommendation
from ubi_stream.insights.recommendations import RecommendationRecord

ARMS = ("a", "b", "c")


def logged(n: int, *, shares: dict[str, float] | None = None, seed: int = 1) -> list[LoggedChoice]:
    """Choices by fixed shares, in a world where a reward depends on the arm and, for a and c, on the context."""
    draw, found = Random(seed), []
    shares = shares or dict.fromkeys(ARMS, 1 / 3)
    for _ in range(n):
        (arm,) = draw.choices(list(shares), list(shares.values()))
        x = draw.random()
        chance = {"a": 0.9 * x, "b": 0.3, "c": 0.9 * (1 - x)}[arm]
        found.append(LoggedChoice({"x": x}, arm, shares[arm], float(draw.random() < chance)))
    return found


def rewards(path: Path) -> list[RecommendationRecord]:
    """Rewards of users whose recommendations were chosen; all records written as the topic has them, one twice."""
    found = [
        record
        for record in Runner(advice_pack()).run(*weeks(1)).recommendations
        if isinstance(record, RecommendationRecord)
    ]
    learned = [record for record in found if record.type == "reward"]
    path.write_bytes(b"\n".join(map(encode_recommendation, [*found, learned[0]])))
    return learned


BY_CHANCE = (0.45 + 0.3 + 0.45) / 3


def test_choosing_by_chance_is_what_it_is_however_the_log_was_made() -> None:
    for shares in (None, {"a": 0.1, "b": 0.2, "c": 0.7}):
        judged = judge(logged(4000, shares=shares), "UCB", explore=1.0)
        assert judged.uniform.low < BY_CHANCE < judged.uniform.high
        assert judged.ips == judged.uniform
        assert judged.snips.low < BY_CHANCE < judged.snips.high


def test_a_policy_that_looks_at_the_context_is_found_to_be_better_than_any_one_arm() -> None:
    judged = judge(logged(4000), "LinUCBDisjoint", explore=0.1)
    best = 0.675  # each x by the better of a and c: the mean of 0.9 * max(x, 1 - x)
    assert judged.best_arm in ("a", "c")
    assert judged.best.low < 0.45 < judged.best.high
    for estimate in (judged.ips, judged.snips, judged.replay):
        assert estimate.low > judged.best.value
        assert estimate.low < best
    assert judged.logged.low < BY_CHANCE < judged.logged.high


def test_replay_rests_on_the_rows_where_both_chose_the_same() -> None:
    judged = judge(logged(3000, shares={"a": 0.6, "b": 0.2, "c": 0.2}), "ThompsonSampling")
    # A log of uniform choices would have 3 * 0.2 of the rows; a third of them are the policy's.
    assert judged.replay.n == pytest.approx(3000 * 0.6 / 3, rel=0.1)
    assert judged.logged.n == judged.ips.n == 3000


def test_the_same_log_gives_the_same_judgement() -> None:
    assert judge(logged(300), "ThompsonSampling") == judge(logged(300), "ThompsonSampling")


def test_estimates_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(60):
        estimate = judge(logged(300, shares={"a": 0.2, "b": 0.3, "c": 0.5}, seed=seed), "UCB", explore=1.0).ips
        covered += estimate.low <= BY_CHANCE <= estimate.high
    assert covered >= 52  # 57 are expected


class TestReading:
    def read(self, folder: Path, text: str) -> list[LoggedChoice]:
        (folder / "log.csv").write_text(text)
        return read_choices(folder / "log.csv")

    def test_other_columns_are_the_context_and_a_missing_number_is_0(self, tmp_path: Path) -> None:
        log = self.read(tmp_path, "arm,propensity,reward,depth,night\nwrite,0.25,1,3.5,\n")
        assert log == [LoggedChoice({"depth": 3.5, "night": 0.0}, "write", 0.25, 1.0)]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("arm,reward\na,1\n", "propensity"),
            ("arm,propensity,reward\na,0,1\n", "row 1: propensity = 0, reward = 1"),
            ("arm,propensity,reward\na,0.5,1\nb,1.5,1\n", "row 2: propensity = 1.5"),
            ("arm,propensity,reward\na,0.5,2\n", "reward = 2"),
            ("arm,propensity,reward\na,0.5,nan\n", "reward = 'nan', a number was expected"),
            ("arm,propensity,reward,x\na,0.5,1,inf\n", "x = 'inf', a number was expected"),
            ("arm,propensity,reward,x\na,0.5,1,blue\n", "x = 'blue', a number was expected"),
        ],
    )
    def test_what_is_wrong_is_told(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            self.read(tmp_path, text)


@pytest.mark.parametrize(
    ("log", "policy", "message"),
    [
        ([], "UCB", "two different ones"),
        ([LoggedChoice({}, "a", 0.5, 1.0)], "UCB", "two different ones"),
        (logged(10), "Best", "no bandit policy 'Best'"),
        ([*logged(10), LoggedChoice({}, "a", 0.5, 0.5)], "ThompsonSampling", "rewards of 0 and 1 only"),
    ],
)
def test_what_can_not_be_judged_is_refused(log: list[LoggedChoice], policy: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        judge(log, policy)


def test_the_topic_is_a_log_with_each_reward_once(tmp_path: Path) -> None:
    path = tmp_path / "recommendations.jsonl"
    learned = [record for record in rewards(path) if record.segment == "looker"]
    choices = read_choices(path, "looker")
    assert len(choices) == len(learned) > 10
    assert [choice.arm for choice in choices] == [record.action for record in learned]
    assert [choice.reward for choice in choices] == [record.reward for record in learned]
    assert {choice.reward for choice in choices} == {0.0, 1.0}
    assert choices[0].context == learned[0].context
    assert choices[0].propensity == learned[0].propensity
    assert judge(choices, "EpsilonGreedy").logged.n == len(choices)


@pytest.mark.parametrize(
    ("segment", "message"),
    [(None, "several segments: name one by --segment: dormant, looker"), ("idle", "no rewards of segment 'idle'")],
)
def test_each_segment_has_recommendations_of_its_own(tmp_path: Path, segment: str | None, message: str) -> None:
    path = tmp_path / "recommendations.jsonl"
    rewards(path)
    with pytest.raises(ConfigError, match=message):
        read_choices(path, segment)


def test_json_lines_may_be_a_log_as_any_table(tmp_path: Path) -> None:
    path = tmp_path / "choices.jsonl"
    path.write_text('{"arm":"a","propensity":0.5,"reward":1,"x":3}\n')
    assert read_choices(path) == [LoggedChoice({"x": 3.0}, "a", 0.5, 1.0)]
    with pytest.raises(ConfigError, match="no topic of recommendations"):
        read_choices(path, "looker")
    path.write_text('{"arm":"a","propensity":0.5}\n')
    with pytest.raises(ConfigError, match="row 1 has no 'reward'"):
        read_choices(path)
