"""People's labels: what they do to thresholds and probabilities, once, for a while, and within bounds."""

from __future__ import annotations

import msgspec
import pytest

from support.label_desk import QUANTILE, Desk, delivered, desk_of_one, insight
from ubi_stream.ids import short_hash
from ubi_stream.models.common import snapshot
from ubi_stream.models.feedback.labels import Feedback, LabelStatus, Learned
from ubi_stream.models.feedback.thresholds import (
    PEERS_STEP,
    shifted,
)
from ubi_stream.state.history import InsightHistory


@pytest.fixture
def replies() -> Desk:
    return desk_of_one()


@pytest.mark.parametrize("score", [0.70001, 0.75, 0.9, 0.99, 0.9999999, 1.0])
def test_after_a_false_positive_the_same_score_is_not_told(score: float) -> None:
    replies = Desk()
    replies.history.remember(delivered(1, score))
    learned = replies.label(1, False)
    assert learned.status is LabelStatus.LEARNED
    assert learned.threshold.before == QUANTILE
    assert learned.threshold.after is not None
    assert score <= learned.threshold.after
    assert not score > learned.threshold.after


@pytest.mark.parametrize("quantile", [0.7, 0.95])
def test_after_a_confirmed_hit_the_same_score_is_told_even_if_all_scores_have_risen(quantile: float) -> None:
    replies = Desk()
    replies.history.remember(delivered(1, 0.9))
    learned = replies.label(1, True, quantile=quantile)
    assert learned.threshold.after is not None
    assert learned.threshold.after < min(quantile, 0.9)


def test_a_label_moves_the_peers_a_little_the_same_way(replies: Desk) -> None:
    learned = replies.label(1, False)
    assert (learned.peers_threshold.before, learned.peers_threshold.after) == (QUANTILE, shifted(QUANTILE, PEERS_STEP))
    other = Desk(feedback=replies.feedback)
    other.history.remember(delivered(2))
    risen = other.label(2, True)
    assert risen.peers_threshold.before == learned.peers_threshold.after
    assert risen.peers_threshold.after == pytest.approx(QUANTILE, abs=1e-12)


def test_the_probability_of_confirmation_moves_with_each_label_of_alike_alerts(replies: Desk) -> None:
    probabilities: list[float] = []
    for number in range(1, 7):
        replies.history.remember(delivered(number))
        learned = replies.label(number, False)
        assert learned.probability.before == (probabilities[-1] if probabilities else 0.5)
        assert learned.labels == learned.entity_labels == number
        assert learned.probability.after is not None
        probabilities.append(learned.probability.after)
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[-1] < 0.2


def test_the_same_label_twice_is_not_learned_again(replies: Desk) -> None:
    first = replies.label(1, False)
    again = replies.label(1, False, weight=10.0)
    assert again.status is LabelStatus.REPEATED
    assert again.probability.before == again.probability.after == first.probability.after
    assert again.threshold.before == again.threshold.after == first.threshold.after
    assert (again.labels, again.entity_labels) == (1, 1)


def test_a_contradicting_label_takes_back_what_the_first_one_did(replies: Desk) -> None:
    only = Desk()
    only.history.remember(delivered(1))
    hit = only.label(1, True)
    replies.label(1, False, weight=3.0)
    changed = replies.label(1, True)
    assert changed.status is LabelStatus.CHANGED
    assert changed.threshold.after == pytest.approx(hit.threshold.after, abs=1e-12)
    assert changed.peers_threshold.after == pytest.approx(hit.peers_threshold.after, abs=1e-12)
    assert changed.probability.after is not None
    assert changed.probability.after > 0.5
    assert replies.label(1, True).status is LabelStatus.REPEATED


def test_a_light_label_moves_less_than_a_heavy_one() -> None:
    after: list[float] = []
    for weight in (0.01, 0.5, 1.0, 10.0):
        replies = Desk()
        replies.history.remember(delivered(1))
        learned = replies.label(1, False, weight=weight)
        assert learned.threshold.after is not None
        after.append(learned.threshold.after)
    assert QUANTILE < after[0] < after[1] < 0.9 < after[2] < after[3]


class TestUnknown:
    def test_an_insight_that_is_not_kept_teaches_nothing(self, replies: Desk) -> None:
        learned = replies.label(7, False)
        assert learned == Learned(LabelStatus.UNKNOWN_INSIGHT)
        assert (replies.history.shift, replies.history.labels, replies.feedback.labels) == (0.0, 0, {})

    def test_an_insight_of_a_pack_with_other_features_neither(self) -> None:
        replies = Desk()
        replies.history.remember(delivered(1, row=(0.5,)))
        assert replies.label(1, False).status is LabelStatus.UNKNOWN_INSIGHT

    def test_a_label_without_insight_is_about_the_newest_one(self, replies: Desk) -> None:
        replies.history.remember(delivered(2, 0.8))
        replies.label(None, False)
        assert replies.history.applied_labels[0].subject == short_hash(insight(2))
        assert Desk().label(None, False).status is LabelStatus.UNKNOWN_INSIGHT

    def test_an_outcome_that_the_pack_has_not(self, replies: Desk) -> None:
        assert replies.label(None, True, outcome="bought").status is LabelStatus.UNKNOWN_OUTCOME
        assert replies.label(1, True, outcome="bought").status is LabelStatus.UNKNOWN_OUTCOME

    def test_an_outcome_of_a_user_of_whom_nothing_is_known(self) -> None:
        replies = Desk(newest=None)
        assert replies.label(None, True, outcome="churned").status is LabelStatus.UNKNOWN_INSIGHT
        assert replies.panel.learned == []


class TestOutcomes:
    def test_a_label_teaches_the_outcome_with_the_users_newest_row(self, replies: Desk) -> None:
        learned = replies.label(None, True, outcome="churned", weight=2.0)
        assert replies.panel.learned == [((0.2, 0.3, 0.4), True, 2.0)]
        assert (learned.probability.before, learned.probability.after) == (None, 1.0)
        assert (learned.status, learned.outcome, learned.labels) == (LabelStatus.LEARNED, "churned", 1)
        assert replies.history.shift == 0.0

    def test_or_with_the_row_of_the_insight(self, replies: Desk) -> None:
        replies.label(1, False, outcome="churned")
        assert replies.panel.learned == [((0.9, 0.1, -1.0), False, 1.0)]

    def test_a_prediction_is_labelled_by_its_id_alone(self, replies: Desk) -> None:
        replies.history.remember(delivered(2, outcome="churned"))
        assert replies.label(2, False).outcome == "churned"
        assert replies.panel.learned == [((0.9, 0.1, -1.0), False, 1.0)]

    def test_an_opposite_label_outweighs_the_one_before(self, replies: Desk) -> None:
        replies.label(None, True, outcome="churned", weight=2.0)
        assert replies.label(None, True, outcome="churned").status is LabelStatus.REPEATED
        assert replies.label(None, False, outcome="churned").status is LabelStatus.CHANGED
        assert [weight for _, _, weight in replies.panel.learned] == [2.0, 3.0]

    def test_after_the_next_event_it_is_another_question(self, replies: Desk) -> None:
        replies.label(None, True, outcome="churned")
        replies.events += 1
        assert replies.label(None, True, outcome="churned").status is LabelStatus.LEARNED

    def test_an_anomaly_may_be_labelled_and_teach_an_outcome_too(self, replies: Desk) -> None:
        assert replies.label(1, True, outcome="churned").status is LabelStatus.LEARNED
        assert replies.label(1, True).status is LabelStatus.LEARNED


def test_what_was_taught_is_in_the_snapshot(replies: Desk) -> None:
    replies.label(1, False)
    replies.rows_pass(1000)
    blob = snapshot.dumps(replies.feedback, key=b"key", feature_hash="f")
    restored = snapshot.loads(blob, key=b"key", feature_hash="f")
    assert isinstance(restored, Feedback)
    other = Desk(
        feedback=restored, history=msgspec.msgpack.decode(msgspec.msgpack.encode(replies.history), type=InsightHistory)
    )
    assert other.label(1, True) == replies.label(1, True)
    assert len(blob) < 2_000
