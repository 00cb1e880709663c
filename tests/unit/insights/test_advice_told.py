"""Recommendations among several: one is chosen, its reward is learned once, and the evidence lets others judge it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from support.advice import advice_pack, weeks
from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack
from support.visits import visits_of
from ubi_stream.effects import Effects
from ubi_stream.insights.encoding import iso_time
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.insights.recommendations import RecommendationErasure, RecommendationRecord
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.packs.schema import Pack
from ubi_stream.state.history import MAX_PENDING

FEEDBACK = advice_pack(('reward = "conversion"', 'reward = "feedback"'))


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + round(minutes * MINUTE_MS), **fields)


def recommended(effects: Effects) -> list[Insight]:
    return [insight for insight in effects.insights if insight.kind is InsightKind.RECOMMENDATION]


class PendingRecommendation:
    """A runner whose user u1 was just given a recommendation, at minute 1."""

    def __init__(self, pack: Pack | None = None) -> None:
        self.runner = Runner(pack or advice_pack())
        (self.advice,) = recommended(self.runner.run(at(0), at(1)))

    @property
    def chooser(self) -> ArmChooser:
        return self.runner.partition.models.choosers["looker"]

    @property
    def learned(self) -> tuple[int, float]:
        return sum(self.chooser.pulls.values()), sum(self.chooser.rewards.values())

    @property
    def waiting(self) -> int:
        state = self.runner.state("u1")
        assert state is not None
        return len(state.history.pending_recommendations)

    def label(self, minutes: float, **properties: Any) -> Insight:
        """Send a person's label; the insight that answers it."""
        delivered = self.runner.run(at(minutes, event_type="$label", **properties)).insights
        (answer,) = [insight for insight in delivered if insight.kind is InsightKind.LABEL]
        return answer


def test_one_of_the_pack_s_is_told_with_what_it_takes_to_judge_the_choice() -> None:
    advice = PendingRecommendation().advice
    assert advice.label in ("guide", "wait")
    assert advice.explanation.summary.startswith({"guide": "Guide them", "wait": "Let them look"}[advice.label])
    evidence = advice.evidence
    assert evidence["policy"] == "LinUCBDisjoint"
    assert set(evidence["probabilities"]) == {"guide", "wait"}
    assert sum(evidence["probabilities"].values()) == pytest.approx(1)
    assert evidence["propensity"] == evidence["probabilities"][advice.label] >= 0.1
    assert set(evidence["context"]) == {"session_depth", "events_24h"}
    assert all(0 < value < 1 for value in evidence["context"].values())
    assert evidence["rewards_seen"] == 0


def test_a_silence_is_no_context_but_a_choice_all_the_same() -> None:
    runner = Runner(advice_pack())
    runner.run(at(0))
    (advice,) = recommended(runner.run(event("u2", START_MS + 4 * DAY_MS)))
    assert advice.evidence["segment"] == "dormant"
    assert advice.label in ("write", "call")
    assert advice.evidence["context"] == {"session_depth": 0.0, "events_24h": 0.0}


def test_a_second_arm_is_not_told_within_a_day() -> None:
    given = PendingRecommendation()
    assert recommended(given.runner.run(at(100), at(101))) == []
    assert len(recommended(given.runner.run(at(1500), at(1501)))) == 1


def records(effects: Effects, kind: str) -> list[RecommendationRecord]:
    found = (record for record in effects.recommendations if isinstance(record, RecommendationRecord))
    return [record for record in found if record.type == kind]


class TestRecords:
    """A log of choices and rewards: all that it takes to judge another way of choosing, each once."""

    def test_a_choice_is_written_with_what_it_takes_to_judge_it(self) -> None:
        effects = Runner(advice_pack()).run(at(0), at(1))
        (advice,), (choice,) = recommended(effects), records(effects, "choice")
        assert (choice.insight_id, choice.action, choice.segment) == (advice.id, advice.label, "looker")
        assert (choice.policy, choice.rewards_seen) == ("LinUCBDisjoint", 0)
        for name in ("propensity", "probabilities", "context"):
            assert getattr(choice, name) == advice.evidence[name]

    def test_a_conversion_is_written_with_the_choice_that_it_rewards(self) -> None:
        given = PendingRecommendation()
        (reward,) = records(given.runner.run(at(90, event_type="purchase", price=5)), "reward")
        chosen = given.advice
        assert (reward.action, reward.reward, reward.at_ms) == (chosen.label, 1.0, START_MS + 90 * MINUTE_MS)
        assert (reward.insight_id, reward.segment, reward.rewarded_by) == (chosen.id, "looker", "conversion")
        assert (reward.propensity, reward.context) == (chosen.evidence["propensity"], chosen.evidence["context"])
        assert reward.rewards_seen == 1
        assert records(given.runner.run(at(91, event_type="purchase", price=5)), "reward") == []

    def test_that_nothing_came_of_it_is_so_as_of_its_horizon_and_with_one_id(self) -> None:
        ids = []
        for minutes in (140, 200):
            given = PendingRecommendation()
            (reward,) = records(given.runner.run(at(minutes)), "reward")
            assert (reward.reward, reward.at_ms) == (0.0, START_MS + 121 * MINUTE_MS)
            ids.append(reward.id)
        assert len(set(ids)) == 1

    def test_a_persons_answer_is_a_record_and_its_reward_another(self) -> None:
        given = PendingRecommendation(FEEDBACK)
        effects = given.runner.run(at(5, event_type="$label", insight_id=given.advice.id, label="ignored", author="a"))
        (answer,), (reward,) = records(effects, "answer"), records(effects, "reward")
        assert (answer.answer, answer.author, answer.action) == ("ignored", "a", given.advice.label)
        assert (reward.reward, reward.at_ms, reward.rewarded_by) == (0.0, START_MS + 5 * MINUTE_MS, "feedback")

    def test_of_a_choice_that_was_made_before_rewards_were_written_none_is(self) -> None:
        given = PendingRecommendation()
        state = given.runner.state("u1")
        assert state is not None
        state.history.pending_recommendations[0].delivered = ""
        assert records(given.runner.run(at(90, event_type="purchase", price=5)), "reward") == []
        assert given.learned == (1, 1.0)

    def test_an_erasure_takes_the_records_of_before_with_it(self) -> None:
        given = PendingRecommendation()
        effects = given.runner.run(at(5, event_type="$erase"))
        assert effects.recommendations == [RecommendationErasure("user", "u1")]


class TestAnswers:
    """Every recommendation can be answered, by the id of what carried it: also one that was not chosen by a bandit."""

    shop = probe_pack(('recommendations = "insights"\n', ""))

    def given(self) -> tuple[Runner, Insight]:
        runner = Runner(self.shop)
        delivered = runner.run(at(0), at(1, event_type="purchase", price=30)).insights
        (segment,) = [insight for insight in delivered if insight.kind is InsightKind.SEGMENT]
        assert [advice["action"] for advice in segment.evidence["recommendations"]] == ["thank"]
        assert not [insight for insight in delivered if insight.kind is InsightKind.RECOMMENDATION]
        return runner, segment

    @pytest.mark.parametrize("word", ["accepted", "implemented", "ignored", "dismissed"])
    def test_each_answer_is_recorded_once_for_what_it_says(self, word: str) -> None:
        runner, segment = self.given()
        effects = runner.run(at(5, event_type="$label", insight_id=segment.id, label=word))
        (answer,) = records(effects, "answer")
        assert (answer.insight_id, answer.segment, answer.action) == (segment.id, "buyer", "thank")
        assert answer.answer == word
        (delivered,) = effects.insights
        assert delivered.evidence["status"] == "recorded"
        again = runner.run(at(6, event_type="$label", insight_id=segment.id, label=word))
        assert [record.id for record in records(again, "answer")] == [answer.id]

    def test_a_visits_recommendations_are_answered_by_the_visits_id(self) -> None:
        runner = Runner(self.shop)
        runner.run(at(0), at(1))
        (visit,) = visits_of(runner.run(at(30, "u2")))
        label = at(31, event_type="$label", insight_id=visit.id, label="implemented")
        (answer,) = records(runner.run(label, at(32), at(33)), "answer")
        assert (answer.insight_id, answer.segment, answer.answer) == (visit.id, "brief", "implemented")

    def test_what_nobody_recommended_can_not_be_answered(self) -> None:
        runner, _ = self.given()
        unknown = "11111111-1111-5111-8111-111111111111"
        effects = runner.run(at(5, event_type="$label", insight_id=unknown, label="implemented"))
        assert effects.recommendations == []
        assert effects.insights[0].evidence["status"] == "unknown_insight"


class TestConversion:
    """Horizon: two hours after minute 1."""

    def test_a_conversion_within_the_horizon_is_a_reward_learned_once(self) -> None:
        given = PendingRecommendation()
        assert (given.learned, given.waiting) == ((0, 0.0), 1)
        given.runner.run(at(90, event_type="purchase", price=5))
        assert (given.learned, given.waiting) == ((1, 1.0), 0)
        assert given.chooser.pulls == {"guide": 0, "wait": 0} | {given.advice.label: 1}
        given.runner.run(at(91, event_type="purchase", price=5))
        assert given.learned == (1, 1.0)

    def test_without_one_the_reward_is_0_once_the_watermark_has_passed_the_horizon(self) -> None:
        given = PendingRecommendation()
        given.runner.run(at(122))  # after the horizon; the watermark is ten minutes behind
        assert given.waiting == 1
        given.runner.run(at(140))
        assert (given.learned, given.waiting) == ((1, 0.0), 0)

    def test_a_silence_brings_it_to_light_too(self) -> None:
        given = PendingRecommendation()
        given.runner.run(at(45, "u2"))  # the visit ends: too early
        assert given.waiting == 1
        given.runner.run(event("u2", START_MS + 4 * DAY_MS))
        assert given.learned == (1, 0.0)

    @pytest.mark.parametrize(("minutes", "reward"), [(0.5, 0), (1, 1), (121, 1), (121.1, 0)])
    def test_the_conversions_own_time_counts_also_of_one_that_comes_late(self, minutes: float, reward: float) -> None:
        given = PendingRecommendation()
        given.runner.run(at(130, "u2"))  # the watermark is at minute 120
        given.runner.run(at(minutes, event_type="purchase", price=5))
        given.runner.run(at(300))
        assert given.learned == (1, reward)

    def test_a_purchase_of_another_user_is_none(self) -> None:
        given = PendingRecommendation()
        given.runner.run(at(90, "u2", event_type="purchase", price=5))
        assert given.learned == (0, 0.0)

    def test_a_clock_that_goes_backwards_neither_ends_the_wait_nor_raises(self) -> None:
        given = PendingRecommendation()
        given.runner.run(at(-500), at(-20_000), at(2))
        assert (given.learned, given.waiting) == ((0, 0.0), 1)


class TestFeedback:
    @pytest.mark.parametrize(
        ("predicted", "reward"),
        [
            ({"label": "accepted"}, 1),
            ({"label": "ignored"}, 0),
            ({"label": True}, 1),
            ({"label": False}, 0),
            ({"label": "confirmed"}, 1),
            ({"label": "false_positive"}, 0),
        ],
    )
    def test_a_persons_answer_is_learned_once_and_answered(self, predicted: dict[str, Any], reward: float) -> None:
        given = PendingRecommendation(FEEDBACK)
        answer = given.label(5, insight_id=given.advice.id, **predicted)
        assert (given.learned, given.waiting) == ((1, reward), 0)
        assert answer.evidence["status"] == "learned"
        assert answer.explanation.summary == f"Taken as the answer to the recommendation {given.advice.label}"
        again = given.label(6, insight_id=given.advice.id, **predicted)
        assert given.learned == (1, reward)
        assert again.evidence["status"] == "recorded"

    @pytest.mark.parametrize("insight_id", [None, "11111111-1111-5111-8111-111111111111"])
    def test_an_answer_to_something_else_teaches_nothing(self, insight_id: str | None) -> None:
        given = PendingRecommendation(FEEDBACK)
        given.label(5, label="accepted", **({"insight_id": insight_id} if insight_id else {}))
        assert (given.learned, given.waiting) == ((0, 0.0), 1)

    def test_no_answer_and_no_purchase_teach_anything(self) -> None:
        given = PendingRecommendation(FEEDBACK)
        given.runner.run(at(5, event_type="purchase", price=3), at(200))
        assert (given.learned, given.waiting) == ((0, 0.0), 0)


def test_what_waits_is_bounded_and_the_oldest_goes() -> None:
    pack = advice_pack(("horizon_h = 2", "horizon_h = 2160"))
    runner = Runner(pack)
    for day in range(MAX_PENDING + 3):
        runner.run(*(event("u1", START_MS + day * DAY_MS + n * MINUTE_MS) for n in range(2)))
    state = runner.state("u1")
    assert state is not None
    assert len(state.history.pending_recommendations) == MAX_PENDING
    assert state.history.pending_recommendations[0].at_ms > START_MS + DAY_MS


def test_other_features_or_arms_start_the_choosers_afresh_other_words_do_not() -> None:
    given = PendingRecommendation()
    given.runner.run(at(90, event_type="purchase", price=5))
    chunks = dict(given.runner.partition.take_checkpoint()[0])
    for changes, kept in (
        (('text = "Guide them"', 'text = "Show them around"'), True),
        (('action = "guide"', 'action = "lead"'), False),
        (("explore = 0.2", "explore = 0.3"), False),
    ):
        restored = Runner(advice_pack(changes), chunks=chunks).partition
        assert sum(restored.models.choosers["looker"].pulls.values()) == int(kept)


class TestForecasts:
    def forecasts(self, *replacements: tuple[str, str], seed: int = 1) -> list[Insight]:
        delivered = Runner(advice_pack(*replacements)).run(*weeks(seed, days=60)).insights
        return [insight for insight in delivered if insight.kind is InsightKind.FORECAST]

    def test_it_is_told_with_interval_days_and_backtest(self) -> None:
        found = self.forecasts()
        assert found
        for insight in found:
            evidence = insight.evidence
            total = evidence["total"]
            assert insight.label == ("amount_up" if total["expected"] > evidence["recent_total"] else "amount_down")
            assert total["low"] <= total["expected"] <= total["high"]
            assert len(evidence["days"]) == 7
            assert evidence["days"][0]["date"] == iso_time(insight.at_ms)[:10]
            assert evidence["backtest"]["mean_absolute_error"] < evidence["backtest"]["same_as_day_before"]
            assert "expected in the next 7 days" in insight.explanation.summary
            assert insight.score is not None
            assert 0 < insight.score <= 1

    def test_one_user_has_one_in_so_many_days(self) -> None:
        found = [insight.at_ms for insight in self.forecasts() if insight.user_id == "u0"]
        assert all(later - sooner >= 7 * DAY_MS for sooner, later in pairwise(found))
        assert len(self.forecasts(("min_change = 0.05", "min_change = 0.05\nevery_days = 1"))) > len(self.forecasts())

    def test_one_that_says_nothing_is_not_told(self) -> None:
        assert self.forecasts(("min_change = 0.05", "min_change = 0.99")) == []

    def test_too_few_active_days_are_too_few(self) -> None:
        assert self.forecasts(("min_days = 10", "min_days = 29")) == []

    def test_events_may_be_forecast_in_place_of_money(self) -> None:
        found = self.forecasts(("min_days = 10", 'min_days = 10\ntarget = "events"'))
        assert found
        assert {insight.label for insight in found} <= {"events_up", "events_down"}
        assert all(insight.explanation.summary.startswith("Events expected") for insight in found)

    def test_it_is_about_the_days_before_the_first_event_of_a_day(self) -> None:
        runner = Runner(advice_pack(("min_change = 0.05", "min_change = 0\nevery_days = 1")))
        steady = [100.0, 20.0, 60.0, 40.0]
        for day in range(20):
            first = runner.run(event("u1", START_MS + day * DAY_MS + HOUR_MS, "purchase", price=steady[day % 4]))
            later = runner.run(event("u1", START_MS + day * DAY_MS + 5 * HOUR_MS))
            assert not [insight for insight in later.insights if insight.kind is InsightKind.FORECAST]
        (delivered,) = [insight for insight in first.insights if insight.kind is InsightKind.FORECAST]
        assert delivered.evidence["recent_total"] == sum((steady * 5)[12:19])  # today's 40 is not among them
