"""People's labels: what they do to thresholds and probabilities, once, for a while, and within bounds."""

from __future__ import annotations

import msgspec
import pytest

from support.label_desk import QUANTILE, Desk, desk_of_one, insight, told
from ubi_stream.ids import short_hash
from ubi_stream.models import snapshot
from ubi_stream.models.feedback.labels import Feedback, LabelStatus, Learned
from ubi_stream.models.feedback.thresholds import (
    PEERS_STEP,
    shifted,
)
from ubi_stream.state.memo import Memo


@pytest.fixture
def desk() -> Desk:
    return desk_of_one()


@pytest.mark.parametrize("score", [0.70001, 0.75, 0.9, 0.99, 0.9999999, 1.0])
def test_after_a_false_positive_the_same_score_is_not_told(score: float) -> None:
    desk = Desk()
    desk.memo.remember(told(1, score))
    learned = desk.label(1, False)
    assert learned.status is LabelStatus.LEARNED
    assert learned.threshold.before == QUANTILE
    assert learned.threshold.after is not None
    assert score <= learned.threshold.after
    assert not score > learned.threshold.after


@pytest.mark.parametrize("quantile", [0.7, 0.95])
def test_after_a_confirmed_hit_the_same_score_is_told_even_if_all_scores_have_risen(quantile: float) -> None:
    desk = Desk()
    desk.memo.remember(told(1, 0.9))
    learned = desk.label(1, True, quantile=quantile)
    assert learned.threshold.after is not None
    assert learned.threshold.after < min(quantile, 0.9)


def test_a_label_moves_the_peers_a_little_the_same_way(desk: Desk) -> None:
    learned = desk.label(1, False)
    assert (learned.peers_threshold.before, learned.peers_threshold.after) == (QUANTILE, shifted(QUANTILE, PEERS_STEP))
    other = Desk(feedback=desk.feedback)
    other.memo.remember(told(2))
    risen = other.label(2, True)
    assert risen.peers_threshold.before == learned.peers_threshold.after
    assert risen.peers_threshold.after == pytest.approx(QUANTILE, abs=1e-12)


def test_the_probability_of_confirmation_moves_with_each_label_of_alike_alerts(desk: Desk) -> None:
    probabilities: list[float] = []
    for number in range(1, 7):
        desk.memo.remember(told(number))
        learned = desk.label(number, False)
        assert learned.probability.before == (probabilities[-1] if probabilities else 0.5)
        assert learned.labels == learned.entity_labels == number
        assert learned.probability.after is not None
        probabilities.append(learned.probability.after)
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[-1] < 0.2


def test_the_same_label_twice_is_not_learned_again(desk: Desk) -> None:
    first = desk.label(1, False)
    again = desk.label(1, False, weight=10.0)
    assert again.status is LabelStatus.REPEATED
    assert again.probability.before == again.probability.after == first.probability.after
    assert again.threshold.before == again.threshold.after == first.threshold.after
    assert (again.labels, again.entity_labels) == (1, 1)


def test_a_contradicting_label_takes_back_what_the_first_one_did(desk: Desk) -> None:
    only = Desk()
    only.memo.remember(told(1))
    hit = only.label(1, True)
    desk.label(1, False, weight=3.0)
    changed = desk.label(1, True)
    assert changed.status is LabelStatus.CHANGED
    assert changed.threshold.after == pytest.approx(hit.threshold.after, abs=1e-12)
    assert changed.peers_threshold.after == pytest.approx(hit.peers_threshold.after, abs=1e-12)
    assert changed.probability.after is not None
    assert changed.probability.after > 0.5
    assert desk.label(1, True).status is LabelStatus.REPEATED


def test_a_light_label_moves_less_than_a_heavy_one() -> None:
    after: list[float] = []
    for weight in (0.01, 0.5, 1.0, 10.0):
        desk = Desk()
        desk.memo.remember(told(1))
        learned = desk.label(1, False, weight=weight)
        assert learned.threshold.after is not None
        after.append(learned.threshold.after)
    assert QUANTILE < after[0] < after[1] < 0.9 < after[2] < after[3]


class TestUnknown:
    def test_an_insight_that_is_not_kept_teaches_nothing(self, desk: Desk) -> None:
        learned = desk.label(7, False)
        assert learned == Learned(LabelStatus.UNKNOWN_INSIGHT)
        assert (desk.memo.shift, desk.memo.labels, desk.feedback.labels) == (0.0, 0, {})

    def test_an_insight_of_a_pack_with_other_features_neither(self) -> None:
        desk = Desk()
        desk.memo.remember(told(1, row=(0.5,)))
        assert desk.label(1, False).status is LabelStatus.UNKNOWN_INSIGHT

    def test_a_label_without_insight_is_about_the_newest_one(self, desk: Desk) -> None:
        desk.memo.remember(told(2, 0.8))
        desk.label(None, False)
        assert desk.memo.marks[0].subject == short_hash(insight(2))
        assert Desk().label(None, False).status is LabelStatus.UNKNOWN_INSIGHT

    def test_an_outcome_that_the_pack_has_not(self, desk: Desk) -> None:
        assert desk.label(None, True, outcome="bought").status is LabelStatus.UNKNOWN_OUTCOME
        assert desk.label(1, True, outcome="bought").status is LabelStatus.UNKNOWN_OUTCOME

    def test_an_outcome_of_a_user_of_whom_nothing_is_known(self) -> None:
        desk = Desk(newest=None)
        assert desk.label(None, True, outcome="churned").status is LabelStatus.UNKNOWN_INSIGHT
        assert desk.panel.learned == []


class TestOutcomes:
    def test_a_label_teaches_the_outcome_with_the_users_newest_row(self, desk: Desk) -> None:
        learned = desk.label(None, True, outcome="churned", weight=2.0)
        assert desk.panel.learned == [((0.2, 0.3, 0.4), True, 2.0)]
        assert (learned.probability.before, learned.probability.after) == (None, 1.0)
        assert (learned.status, learned.outcome, learned.labels) == (LabelStatus.LEARNED, "churned", 1)
        assert desk.memo.shift == 0.0

    def test_or_with_the_row_of_the_insight(self, desk: Desk) -> None:
        desk.label(1, False, outcome="churned")
        assert desk.panel.learned == [((0.9, 0.1, -1.0), False, 1.0)]

    def test_a_prediction_is_labelled_by_its_id_alone(self, desk: Desk) -> None:
        desk.memo.remember(told(2, outcome="churned"))
        assert desk.label(2, False).outcome == "churned"
        assert desk.panel.learned == [((0.9, 0.1, -1.0), False, 1.0)]

    def test_an_opposite_label_outweighs_the_one_before(self, desk: Desk) -> None:
        desk.label(None, True, outcome="churned", weight=2.0)
        assert desk.label(None, True, outcome="churned").status is LabelStatus.REPEATED
        assert desk.label(None, False, outcome="churned").status is LabelStatus.CHANGED
        assert [weight for _, _, weight in desk.panel.learned] == [2.0, 3.0]

    def test_after_the_next_event_it_is_another_question(self, desk: Desk) -> None:
        desk.label(None, True, outcome="churned")
        desk.events += 1
        assert desk.label(None, True, outcome="churned").status is LabelStatus.LEARNED

    def test_an_anomaly_may_be_labelled_and_teach_an_outcome_too(self, desk: Desk) -> None:
        assert desk.label(1, True, outcome="churned").status is LabelStatus.LEARNED
        assert desk.label(1, True).status is LabelStatus.LEARNED


def test_what_was_taught_is_in_the_snapshot(desk: Desk) -> None:
    desk.label(1, False)
    desk.rows_pass(1000)
    blob = snapshot.dumps(desk.feedback, key=b"key", feature_hash="f")
    restored = snapshot.loads(blob, key=b"key", feature_hash="f")
    assert isinstance(restored, Feedback)
    other = Desk(feedback=restored, memo=msgspec.msgpack.decode(msgspec.msgpack.encode(desk.memo), type=Memo))
    assert other.label(1, True) == desk.label(1, True)
    assert len(blob) < 2_000
