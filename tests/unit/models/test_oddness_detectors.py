"""The detectors of the anomaly ensemble one by one, and what their combination is for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.ensemble import COMBINATION, CROWD, OWN, REPEAT, TREES, DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs, DetectorScores
from ubi_stream.models.anomaly.nearest_neighbour import NearestNeighbour
from ubi_stream.models.anomaly.noise import keys_of, uniforms
from ubi_stream.models.anomaly.recurrence import GROUPS, CombinationDensity, RepeatWatch
from ubi_stream.models.anomaly.sample import FadingSample
from ubi_stream.models.anomaly.tails import SMALLEST, TailShare

NAMES = tuple("abcdef")
ONE_IN_200 = math.log10(200) / 6
"""Score at which the default alert rate lies."""


def crowd_rows(n: int, seed: int = 0) -> FloatArray:
    return 0.4 + 0.05 * np.random.default_rng(seed).standard_normal((n, len(NAMES)))


def run(blend: DetectorEnsemble, inputs: DetectorInputs) -> DetectorScores:
    """Look at all and learn all."""
    looks = []
    for part in blend.parts(len(inputs)):
        look = blend.look(inputs[part])
        blend.learn(inputs[part], look)
        looks.append(look)
    score, shares, answers = (
        np.concatenate([getattr(look, name) for look in looks]) for name in ("score", "shares", "answers")
    )
    return DetectorScores(score, shares, answers, None)


class TestNoise:
    def test_numbers_are_uniform_and_the_same_wherever_they_are_asked_for(self) -> None:
        places = np.arange(20_000, dtype=np.uint64)
        numbers = uniforms(3, places)
        assert numbers.mean() == pytest.approx(0.5, abs=0.01)
        assert np.histogram(numbers, 10)[0].min() > 1_850
        assert (uniforms(3, places[777:782]) == numbers[777:782]).all()
        assert abs(np.corrcoef(numbers, uniforms(4, places))[0, 1]) < 0.02

    def test_equal_rows_have_equal_keys_and_others_another(self) -> None:
        keys = keys_of(np.array([[0.0, np.nan], [-0.0, -np.nan], [np.nan, 0.0], [0.0, 1.0]]))
        assert keys[0] == keys[1]
        assert len(set(keys.tolist())) == 3


class TestSample:
    def test_it_is_uniform_over_the_past_up_to_its_horizon(self) -> None:
        sample = FadingSample(2_000, 1, horizon=50_000)
        for start in range(0, 20_000, 500):
            sample.learn_many(np.arange(start, start + 500.0)[:, np.newaxis])
            sample.turn()
        assert sample.rows.mean() == pytest.approx(10_000, rel=0.05)

    def test_it_fades_beyond_its_horizon(self) -> None:
        sample = FadingSample(500, 1, horizon=1_000)
        sample.learn_many(np.zeros((5_000, 1)))
        sample.learn_many(np.ones((2_000, 1)))
        sample.turn()
        assert sample.rows.mean() == pytest.approx(1.0 - math.exp(-2.0), abs=0.06)

    def test_what_was_learned_counts_after_the_turn(self) -> None:
        sample = FadingSample(3, 2, horizon=10)
        sample.learn_many(np.ones((2, 2)))
        assert sample.rows.shape == (0, 2)
        sample.turn()
        assert sample.rows.tolist() == [[1.0, 1.0], [1.0, 1.0]]


class TestTails:
    def test_a_share_is_right_within_the_sample_and_beyond_it(self) -> None:
        tails = TailShare()
        tails.learn_many(np.random.default_rng(1).exponential(size=40_000))
        tails.turn()
        for share, factor in ((0.5, 1.1), (0.1, 1.3), (0.01, 2.0), (0.001, 3.0)):
            delivered = tails.share(np.array([-math.log(share)]))[0]
            assert share / factor < delivered < share * factor

    def test_ties_are_not_rare(self) -> None:
        tails = TailShare(size=100)
        tails.learn_many(np.array([0.0] * 60 + [1.0] * 40))
        tails.turn()
        assert tails.share(np.array([0.0, 1.0, 2.0])) == pytest.approx([1.0, 41 / 101, 1 / 101])

    def test_no_answer_is_no_evidence_and_nothing_is_rarer_than_one_in_a_million(self) -> None:
        tails = TailShare(size=100)
        assert tails.share(np.array([5.0])).tolist() == [1.0]
        tails.learn_many(np.array([np.nan, *range(100)]))
        tails.turn()
        assert tails.sample.n_seen == 100
        assert tails.share(np.array([np.nan, 1e30, np.inf])).tolist() == [1.0, SMALLEST, SMALLEST]


class TestCrowd:
    def test_a_missing_value_is_no_evidence(self) -> None:
        crowd = NearestNeighbour(2)
        crowd.learn_many(np.random.default_rng(2).standard_normal((300, 2)))
        crowd.turn()
        whole, part, nothing = crowd.score_many(np.array([[0.0, 0.0], [0.0, np.nan], [np.nan, np.nan]]))
        assert part == pytest.approx(whole, abs=0.2)
        assert nothing == pytest.approx(whole, abs=0.3)

    def test_another_value_of_a_constant_column_is_as_far_as_can_be(self) -> None:
        crowd = NearestNeighbour(2)
        crowd.learn_many(np.column_stack((np.full(300, 7.0), np.random.default_rng(3).random(300))))
        crowd.turn()
        usual, other, broken = crowd.score_many(np.array([[7.0, 0.5], [7.5, 0.5], [1e300, 0.5]]))
        assert usual < 1.0
        assert other == pytest.approx(broken) == pytest.approx(10.0, abs=1.0)

    def test_a_burst_of_anomalies_does_not_make_itself_normal(self) -> None:
        crowd = NearestNeighbour(len(NAMES))
        for start in range(0, 20_000, 250):
            crowd.learn_many(crowd_rows(250, start))
            crowd.turn()
        burst = np.full((500, len(NAMES)), 0.8)
        before = crowd.score_many(burst)[0]
        crowd.learn_many(burst)
        crowd.turn()
        assert crowd.score_many(burst)[0] > 0.7 * before

    def test_before_the_first_sample_there_is_no_distance(self) -> None:
        assert np.isnan(NearestNeighbour(1).score_many(np.zeros((3, 1)))).all()


class TestKeyed:
    def test_a_combination_is_as_rare_as_it_and_the_rarer_ones_are_and_fades(self) -> None:
        density = CombinationDensity(half_life=1_000.0)
        common, rare, rarer, unknown = (np.array([number * GROUPS], dtype=np.uint64) for number in (1, 2, 3, 4))
        density.learn_many(np.concatenate((common.repeat(890), rare.repeat(100), rarer.repeat(10))))
        density.turn()
        shares = density.score_many(np.concatenate((common, rare, rarer, unknown)))
        assert shares == pytest.approx([1.0, 0.11, 0.01, 0.001], abs=0.002)
        for _ in range(12):
            density.learn_many(rarer.repeat(1_000))
            density.turn()
        assert density.score_many(common)[0] < 0.002

    def test_a_part_of_the_day_that_is_new_is_not_rare(self) -> None:
        density = CombinationDensity()
        night, morning = np.array([8 * GROUPS], dtype=np.uint64), np.array([8 * GROUPS + 1], dtype=np.uint64)
        density.learn_many(night.repeat(1_000))
        density.turn()
        assert np.isnan(density.score_many(morning)[0])
        density.learn_many(morning.repeat(249))
        density.turn()
        assert np.isnan(density.score_many(morning)[0])
        density.learn_many(morning.repeat(2))
        density.turn()
        assert density.score_many(morning)[0] == 1.0

    def test_a_repeat_is_told_by_how_long_ago_it_was(self) -> None:
        watch = RepeatWatch(capacity=3, horizon=50)
        watch.learn_many(np.array([1, 2, 3, 1, 4], dtype=np.uint64))
        # 2 was pushed out: 1 came again, so it is younger.
        assert watch.score_many(np.array([4, 1, 2, 9], dtype=np.uint64)).tolist() == [-1.0, -3.0, -50.0, -50.0]
        assert watch.n_seen == 5


class TestBlend:
    def test_there_is_no_score_while_there_is_nothing_to_compare_with(self) -> None:
        blend = DetectorEnsemble(NAMES, window=250)
        look = run(blend, DetectorInputs.of(crowd_rows(600)))
        assert np.isnan(look.score[:50]).all()
        assert ((look.score[50:] >= 0.0) & (look.score[50:] <= 1.0)).all()

    def test_clumped_anomalies_in_native_order_stay_odd_where_trees_go_blind(self) -> None:
        #   12,000 usual, then a clump of 500 in a row: two windows of the trees
        clump = 0.7 + 0.01 * np.random.default_rng(5).standard_normal((500, len(NAMES)))
        blend = DetectorEnsemble(NAMES, window=250, seed=1)
        look = run(blend, DetectorInputs.of(np.concatenate((crowd_rows(12_000), clump))))
        last = slice(12_300, 12_500)
        trees = look.shares[last, blend.detectors.index(TREES)]
        assert np.median(trees) > 0.05, "the clump is all that the trees' reference window has"
        usual = look.score[1_000:12_000]
        assert (usual > ONE_IN_200).mean() < 0.02
        assert (look.score[12_000:12_050] > ONE_IN_200).mean() > 0.95
        # The clump is by now one in fifty of all that was ever seen, so it can't be rarer; but it is not usual.
        assert look.score[last].min() > np.quantile(usual, 0.95)

    @pytest.mark.parametrize(
        ("leading_detector", "change"),
        [
            (CROWD, {"rows": np.full((1, len(NAMES)), 0.9)}),
            (OWN, {"own": np.array([[9.0, np.nan]])}),
            (COMBINATION, {"combinations": np.array([77 * GROUPS], dtype=np.uint64)}),
        ],
    )
    def test_one_detector_alone_is_heard(self, leading_detector: str, change: dict[str, FloatArray]) -> None:
        rng = np.random.default_rng(6)
        blend = DetectorEnsemble(NAMES, window=250, seed=2)
        n = 4_000
        run(
            blend,
            DetectorInputs.of(
                crowd_rows(n), rng.standard_normal((n, 2)), GROUPS * rng.integers(0, 9, n).astype(np.uint64)
            ),
        )
        usual = {
            "rows": np.full((1, len(NAMES)), 0.4),
            "own": np.array([[0.1, np.nan]]),
            "combinations": np.array([3 * GROUPS], dtype=np.uint64),
        }
        calm, odd = (blend.look(DetectorInputs.of(**given)) for given in (usual, usual | change))
        assert calm.score[0] < 0.15
        assert odd.score[0] > ONE_IN_200
        assert blend.detectors[int(odd.shares[0].argmin())] == leading_detector

    def test_a_repeat_is_heard_where_repeats_are_rare(self) -> None:
        blend = DetectorEnsemble(NAMES, window=250)
        run(blend, DetectorInputs.of(crowd_rows(3_000)))
        row = DetectorInputs.of(np.full((2, len(NAMES)), 0.41))
        look = blend.look(row)
        assert look.score[0] < 0.15
        assert look.score[1] > ONE_IN_200
        assert blend.detectors[int(look.shares[1].argmin())] == REPEAT

    def test_the_share_above_a_score_is_about_what_the_score_says(self) -> None:
        rng = np.random.default_rng(8)
        n = 30_000
        inputs = DetectorInputs.of(
            crowd_rows(n), rng.standard_normal((n, 2)), GROUPS * rng.integers(0, 9, n).astype(np.uint64)
        )
        look = run(DetectorEnsemble(NAMES), inputs)
        for one_in in (20, 200):
            share = (look.score[5_000:] > math.log10(one_in) / 6).mean()
            assert 0.4 / one_in < share < 2.5 / one_in

    def test_leaving_out_the_odd_feature_leaves_nothing_odd(self) -> None:
        blend = DetectorEnsemble(NAMES, seed=3)
        run(blend, DetectorInputs.of(crowd_rows(3_000)))
        row = np.full((1, len(NAMES)), 0.4)
        row[0, 2] = 0.95
        inputs = DetectorInputs.of(row)
        look = blend.look(inputs)
        without = blend.without(inputs, look, 0, np.full(len(NAMES), 0.4))
        assert without[2] < 0.15 < ONE_IN_200 < look.score[0]
        assert np.delete(without, 2) == pytest.approx(np.full(len(NAMES) - 1, look.score[0]), abs=0.1)

    def test_rows_in_their_own_units_grow_trees_on_the_columns_that_there_are(self) -> None:
        rows = np.column_stack((1e6 * crowd_rows(1_200), np.full(1_200, np.nan)))
        blend = DetectorEnsemble((*NAMES, "never"), unit=False, trees=5)
        look = run(blend, DetectorInputs.of(rows))
        assert blend.forest is not None
        assert blend.forest.features == NAMES
        assert np.isnan(look.answers[:500, blend.detectors.index(TREES)]).all()
        assert not np.isnan(look.answers[500:, blend.detectors.index(TREES)]).any()

    def test_bad_values_give_scores_in_range(self) -> None:
        rng = np.random.default_rng(9)
        rows = crowd_rows(2_000)
        for bad in (np.nan, np.inf, -np.inf, 1e300, -1e300):
            rows[rng.random(rows.shape) < 0.05] = bad
        own = np.where(rng.random((2_000, 2)) < 0.5, np.nan, rng.standard_normal((2_000, 2)))
        own[rng.random(own.shape) < 0.01] = np.inf
        look = run(DetectorEnsemble(NAMES), DetectorInputs.of(rows, own))
        assert ((look.score[50:] >= 0.0) & (look.score[50:] <= 1.0)).all()
        assert not np.isnan(look.shares).any()
