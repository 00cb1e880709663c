"""What people's labels do fades, and stays within bounds."""

from __future__ import annotations

import pytest

from support.label_desk import QUANTILE, Desk, delivered, desk_of_one
from support.probe import DAY_MS
from ubi_stream.models.feedback.labels import LabelStatus
from ubi_stream.models.feedback.thresholds import (
    LIMIT,
    OWN_LEAST,
    OWN_MOST,
    PEERS_HALF_LIFE,
    PEERS_MOST,
    PeersShift,
    log_odds,
    shifted,
)
from ubi_stream.state.history import MAX_DELIVERED, MAX_LABELS


@pytest.fixture
def replies() -> Desk:
    return desk_of_one()


class TestFading:
    # own half-life is 30 days of the entity's time
    def test_an_entitys_shift_halves_in_a_month_of_its_own_time(self, replies: Desk) -> None:
        replies.label(1, False)
        shift = replies.own
        replies.at_ms += 30 * DAY_MS
        assert replies.own == shift / 2
        assert replies.history.shift == shift

    def test_a_clock_that_goes_back_fades_nothing(self, replies: Desk) -> None:
        replies.label(1, False)
        shift = replies.own
        replies.at_ms -= 100 * DAY_MS
        assert replies.own == shift
        replies.history.remember(delivered(2))
        assert replies.label(2, False).status is LabelStatus.LEARNED
        assert replies.own > shift

    def test_the_same_score_is_told_again_after_some_time(self, replies: Desk) -> None:
        replies.label(1, False)
        days = 0
        while replies.threshold() >= 0.9:
            days += 1
            replies.at_ms += DAY_MS
            assert days < 60
        assert days > 9

    def test_the_peers_shift_halves_with_the_rows_that_come_by(self) -> None:
        shift = PeersShift()
        shift.set(0.4)
        assert (shift.at(0), shift.at(PEERS_HALF_LIFE)) == (0.4, 0.2)

    def test_taking_back_a_faded_label_takes_back_what_is_left_of_it(self, replies: Desk) -> None:
        replies.label(1, False)
        replies.at_ms += 60 * DAY_MS
        replies.rows_pass(PEERS_HALF_LIFE)
        only = Desk(at_ms=replies.at_ms)
        only.history.remember(delivered(1))
        hit = only.label(1, True)
        changed = replies.label(1, True)
        assert changed.threshold.after == pytest.approx(hit.threshold.after, abs=1e-12)
        assert changed.peers_threshold.after == pytest.approx(hit.peers_threshold.after, abs=1e-12)


class TestBounds:
    @pytest.mark.parametrize(
        ("positive", "own", "peers"), [(False, OWN_MOST, PEERS_MOST), (True, OWN_LEAST, -PEERS_MOST)]
    )
    def test_however_many_labels_agree(self, positive: bool, own: float, peers: float) -> None:
        replies = Desk()
        for number in range(60):
            replies.history.remember(delivered(number, 1.0))
            learned = replies.label(number, positive, weight=10.0)
        assert replies.history.shift == own
        assert learned.peers_threshold.after == shifted(QUANTILE, peers)
        assert learned.probability.after is not None
        assert 0.0 < learned.probability.after < 1.0

    def test_a_memo_keeps_the_newest_few(self) -> None:
        replies = Desk()
        for number in range(50):
            replies.history.remember(delivered(number))
            replies.label(number, False)
        assert (len(replies.history.delivered), len(replies.history.applied_labels)) == (MAX_DELIVERED, MAX_LABELS)
        assert replies.label(49 - MAX_DELIVERED, False).status is LabelStatus.UNKNOWN_INSIGHT
        assert replies.label(50 - MAX_DELIVERED, False).status is LabelStatus.REPEATED

    def test_scores_at_the_ends_have_finite_log_odds(self) -> None:
        assert [log_odds(score) for score in (0.0, 1.0, -1.0, 2.0)] == [-LIMIT, LIMIT, -LIMIT, LIMIT]
        assert shifted(1.0, -1.0) < 1.0
        assert shifted(0.0, -1.0) == 0.0
