"""People's labels: what they do to thresholds and probabilities, once, for a while, and within bounds."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import numpy as np
import pytest

from support.probe import DAY_MS, START_MS
from ubi_stream.events.verdict import Verdict
from ubi_stream.features.stage import Labelled, Matrix
from ubi_stream.ids import short_hash
from ubi_stream.models import snapshot
from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.feedback.labels import Feedback, LabelStatus, Learned, Scaling, Subject
from ubi_stream.models.feedback.thresholds import (
    LIMIT,
    OWN_LEAST,
    OWN_MOST,
    PEERS_HALF_LIFE,
    PEERS_MOST,
    PEERS_STEP,
    PeersShift,
    log_odds,
    own_shift,
    shifted,
)
from ubi_stream.state.memo import MAX_MARKS, MAX_TOLD, Memo, Told

QUANTILE = 0.7
ROW = (0.9, 0.1, float("nan"))


def insight(number: int) -> str:
    return str(UUID(int=number))


def told(number: int, score: float = 0.9, outcome: str = "", row: tuple[float, ...] = ROW) -> Told:
    return Told(short_hash(insight(number)), outcome, score, QUANTILE, array("f", row).tobytes())


class CountingPanel:
    """Remembers what it was taught; its probability is the share of positive weight."""

    def __init__(self) -> None:
        self.learned: list[tuple[tuple[float, ...], bool, float]] = []

    def predict(self, row: FloatArray) -> float | None:
        weights = sum(weight for _, _, weight in self.learned)
        return sum(weight for _, positive, weight in self.learned if positive) / weights if weights else None

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        self.learned.append((tuple(np.nan_to_num(row, nan=-1.0).round(4).tolist()), positive, weight))


def identity(values: Matrix) -> Matrix:
    return values


@dataclass
class Desk:
    """One entity and its partition, and a person who labels."""

    feedback: Feedback = field(default_factory=lambda: Feedback(len(ROW)))
    memo: Memo = field(default_factory=Memo)
    panel: CountingPanel = field(default_factory=CountingPanel)
    at_ms: int = START_MS
    events: int = 10
    newest: Matrix | None = field(default_factory=lambda: np.array([0.2, 0.3, 0.4]))

    def label(
        self,
        number: int | None,
        positive: bool,
        *,
        weight: float = 1.0,
        outcome: str | None = None,
        quantile: float | None = QUANTILE,
    ) -> Learned:
        return self.feedback.take(
            Verdict(None if number is None else insight(number), outcome, positive, weight),
            Subject(self.memo, Labelled(self.events, self.at_ms, self.newest)),
            quantile=quantile,
            scaling=Scaling(identity, np.full(len(ROW), 0.5)),
            panels={"churned": self.panel},
        )

    def rows_pass(self, count: int) -> None:
        self.feedback.gate([], -count)

    @property
    def own(self) -> float:
        return own_shift(self.memo, self.at_ms)

    def threshold(self) -> float:
        """The entity's, by a label that is known already."""
        return self.label(1, self.memo.marks[0].positive).threshold.after or 0.0


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.memo.remember(told(1))
    return made


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


class TestFading:
    # own half-life is 30 days of the entity's time
    def test_an_entitys_shift_halves_in_a_month_of_its_own_time(self, desk: Desk) -> None:
        desk.label(1, False)
        shift = desk.own
        desk.at_ms += 30 * DAY_MS
        assert desk.own == shift / 2
        assert desk.memo.shift == shift

    def test_a_clock_that_goes_back_fades_nothing(self, desk: Desk) -> None:
        desk.label(1, False)
        shift = desk.own
        desk.at_ms -= 100 * DAY_MS
        assert desk.own == shift
        desk.memo.remember(told(2))
        assert desk.label(2, False).status is LabelStatus.LEARNED
        assert desk.own > shift

    def test_the_same_score_is_told_again_after_some_time(self, desk: Desk) -> None:
        desk.label(1, False)
        days = 0
        while desk.threshold() >= 0.9:
            days += 1
            desk.at_ms += DAY_MS
            assert days < 60
        assert days > 9

    def test_the_peers_shift_halves_with_the_rows_that_come_by(self) -> None:
        shift = PeersShift()
        shift.set(0.4)
        assert (shift.at(0), shift.at(PEERS_HALF_LIFE)) == (0.4, 0.2)

    def test_taking_back_a_faded_label_takes_back_what_is_left_of_it(self, desk: Desk) -> None:
        desk.label(1, False)
        desk.at_ms += 60 * DAY_MS
        desk.rows_pass(PEERS_HALF_LIFE)
        only = Desk(at_ms=desk.at_ms)
        only.memo.remember(told(1))
        hit = only.label(1, True)
        changed = desk.label(1, True)
        assert changed.threshold.after == pytest.approx(hit.threshold.after, abs=1e-12)
        assert changed.peers_threshold.after == pytest.approx(hit.peers_threshold.after, abs=1e-12)


class TestBounds:
    @pytest.mark.parametrize(
        ("positive", "own", "peers"), [(False, OWN_MOST, PEERS_MOST), (True, OWN_LEAST, -PEERS_MOST)]
    )
    def test_however_many_labels_agree(self, positive: bool, own: float, peers: float) -> None:
        desk = Desk()
        for number in range(60):
            desk.memo.remember(told(number, 1.0))
            learned = desk.label(number, positive, weight=10.0)
        assert desk.memo.shift == own
        assert learned.peers_threshold.after == shifted(QUANTILE, peers)
        assert learned.probability.after is not None
        assert 0.0 < learned.probability.after < 1.0

    def test_a_memo_keeps_the_newest_few(self) -> None:
        desk = Desk()
        for number in range(50):
            desk.memo.remember(told(number))
            desk.label(number, False)
        assert (len(desk.memo.told), len(desk.memo.marks)) == (MAX_TOLD, MAX_MARKS)
        assert desk.label(49 - MAX_TOLD, False).status is LabelStatus.UNKNOWN_INSIGHT
        assert desk.label(50 - MAX_TOLD, False).status is LabelStatus.REPEATED

    def test_scores_at_the_ends_have_finite_log_odds(self) -> None:
        assert [log_odds(score) for score in (0.0, 1.0, -1.0, 2.0)] == [-LIMIT, LIMIT, -LIMIT, LIMIT]
        assert shifted(1.0, -1.0) < 1.0
        assert shifted(0.0, -1.0) == 0.0


def test_what_was_taught_is_in_the_snapshot(desk: Desk) -> None:
    desk.label(1, False)
    desk.rows_pass(1000)
    blob = snapshot.dumps(desk.feedback, key=b"key", feature_hash="f")
    restored = snapshot.loads(blob, key=b"key", feature_hash="f")
    assert isinstance(restored, Feedback)
    other = Desk(feedback=restored, memo=msgspec.msgpack.decode(msgspec.msgpack.encode(desk.memo), type=Memo))
    assert other.label(1, True) == desk.label(1, True)
    assert len(blob) < 2_000
