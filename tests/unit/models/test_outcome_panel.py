"""A panel: judged by what was said before, the best serves, and nothing depends on how rows are cut."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.errors import SnapshotError
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.champion import MIN_LABELS, ChampionChoice, PairedLossTest
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.models.registry import Recipe

FEATURES = ("depth", "minutes", "price")
KEY = b"secret"


def candidate(name: str, kind: str, *, share: float = 1.0, features: tuple[str, ...] = FEATURES) -> Candidate:
    return Candidate(name, Recipe(kind, features), FEATURES, share=share, min_labels=50, min_per_class=10)


def make_panel() -> OutcomePanel:
    """A line that can't tell the two ends from the middle, and a blend that can."""
    return OutcomePanel(
        "buys",
        [candidate("line", "line"), candidate("blend", "blend"), candidate("bayes", "naive-bayes", share=0.3)],
    )


def stream(n: int, seed: int = 0) -> Iterator[tuple[int, FloatArray, bool]]:
    """Those of middling depth buy."""
    rng = np.random.default_rng(seed)
    for number in range(n):
        row = rng.random(3)
        row[2] = math.nan if rng.random() < 0.2 else row[2]
        yield number * 7_919, row, bool(abs(row[0] - 0.5) < 0.2 + 0.1 * rng.standard_normal())


def teach(panel: OutcomePanel, n: int, *, seed: int = 0, delay: int = 5) -> list[ChampionChoice]:
    """Ask at once, answer `delay` questions later."""
    waiting: list[tuple[int, FloatArray, bool, bytes]] = []
    choices = []
    for pending, row, positive in stream(n, seed):
        waiting.append((pending, row, positive, panel.ask(row[np.newaxis], [pending])[0]))
        while len(waiting) > (delay if pending < (n - 1) * 7_919 else 0):
            number, then, label, asked = waiting.pop(0)
            panel.learn(then, label, asked=asked, pending=number, delay_s=60.0)
            choices.append(panel.take_choice())
    return [choice for choice in choices if choice is not None]


def test_abstains_until_the_least_evidence_is_there() -> None:
    panel = make_panel()
    rows = np.array([[0.5, 0.5, 0.5]])
    for number in range(49):
        panel.learn(rows[0], number % 2 == 0, pending=number)
        assert panel.warm_up
        assert math.isnan(panel.predict_many(rows).delivered[0])
        assert panel.predict(rows[0]) is None
        assert panel.take_choice() is None
    panel.learn(rows[0], True, pending=50)
    assert panel.take_choice() == ChampionChoice("buys", "line", None, None, None, 50)
    assert panel.take_choice() is None  # told once
    assert panel.predict(rows[0]) == panel.predict_many(rows).delivered[0]
    assert 0.0 < panel.predict_many(rows).delivered[0] < 1.0


def test_one_class_alone_is_no_evidence() -> None:
    panel = make_panel()
    for number in range(200):
        panel.learn(np.zeros(3), False, pending=number)
    assert panel.warm_up


def test_the_better_model_takes_over_once_and_says_by_how_much() -> None:
    panel = make_panel()
    start, change = teach(panel, 1_500)
    assert (start.model, start.before) == ("line", None)
    assert (change.model, change.before) == ("blend", "line")
    assert change.labels >= MIN_LABELS
    assert change.loss is not None
    assert change.loss_before is not None
    assert change.loss < change.loss_before - 0.05
    assert "bayes" in change.others
    assert panel.serving.name == "blend"


def test_luck_changes_nothing() -> None:
    """Two models that are alike: over many streams of noise the champion stays."""
    changed = 0
    for seed in range(12):
        panel = OutcomePanel("x", [candidate("a", "line"), candidate("b", "logistic")])
        rng = np.random.default_rng(seed)
        for number in range(600):
            row, positive = rng.random(3), bool(rng.random() < 0.4)
            panel.learn(row, positive, asked=panel.ask(row[np.newaxis], [number])[0], pending=number)
            changed += bool((choice := panel.take_choice()) and choice.before)
    assert changed <= 1


def test_evidence_fades_so_that_another_stream_gets_another_champion() -> None:
    panel = make_panel()
    teach(panel, 1_200)
    assert panel.serving.name == "blend"
    rng = np.random.default_rng(5)
    changes = []
    for number in range(6_000):  # now what divides them is a plain line, which the shadow learns too
        row = rng.random(3)
        positive = bool(row[1] + 0.02 * rng.standard_normal() > 0.5)
        panel.learn(row, positive, asked=panel.ask(row[np.newaxis], [number])[0], pending=number)
        changes.append(panel.take_choice())
    assert [change.before for change in changes if change] in ([], ["blend"])  # back at most once
    assert panel.serving.quality.as_dict()["window"]["log_loss"] < 0.2  # type: ignore[operator]  # a figure by now


def test_shadows_are_asked_and_learn_only_their_share() -> None:
    panel = make_panel()
    teach(panel, 1_000)
    line, blend, bayes = panel.candidates
    assert line.n_seen == blend.n_seen == 1_000
    assert bayes.n_seen == pytest.approx(300, abs=60)
    asked = [panel.ask(np.zeros((1, 3)), [pending])[0] for pending in range(500)]
    taken = [not math.isnan(np.frombuffer(predicted, dtype=np.float32)[5]) for predicted in asked]
    assert taken == [bayes.takes(pending) for pending in range(500)]


def test_quality_is_scored_with_the_prediction_made_then() -> None:
    panel = make_panel()
    for number in range(60):
        panel.learn(np.full(3, number % 2), number % 2 == 0, pending=number)
    row = np.full(3, 1.0)
    asked = panel.ask(row[np.newaxis], [99])[0]
    then = float(np.frombuffer(asked, dtype=np.float32)[2])
    for number in range(300):  # much is learned in between
        panel.learn(row, True, pending=number)
    before = panel.serving.quality.as_dict()["all_time"]
    assert before["n"] == 0  # labels without a prediction judge nothing
    panel.learn(row, False, asked=asked, pending=99, delay_s=30.0)
    after = panel.serving.quality.as_dict()["all_time"]
    assert after["brier"] == pytest.approx(then**2)
    assert after["label_delay_mean_s"] == 30.0
    assert after["last_class_accuracy"] == 1.0  # the newest label known when it was asked was False


@pytest.mark.parametrize("asked", [None, b"", b"\0" * 8, b"\0" * 400])
def test_what_was_said_by_other_candidates_judges_nothing(asked: bytes | None) -> None:
    panel = make_panel()
    panel.learn(np.zeros(3), True, asked=asked, pending=1)
    assert panel.n_labels == 1
    assert all(c.quality.as_dict()["all_time"]["n"] == 0 for c in panel.candidates)


def test_rows_asked_together_or_one_by_one_give_the_same_bytes() -> None:
    panel = make_panel()
    teach(panel, 300)
    rows = np.array([row for _, row, _ in stream(20, seed=3)])
    pending_predictions = list(range(20))
    together = panel.ask(rows, pending_predictions)
    assert [panel.ask(rows[i : i + 1], [i])[0] for i in pending_predictions] == together
    whole = panel.predict_many(rows)
    parts = np.concatenate([panel.predict_many(rows[:3]).delivered, panel.predict_many(rows[3:]).delivered])
    assert parts.tobytes() == whole.delivered.tobytes()
    assert panel.ask(rows, pending_predictions, whole) == together


def test_asking_changes_nothing() -> None:
    panel = make_panel()
    teach(panel, 300)
    before = digest(snapshot.loads(snapshot.dumps(panel, key=KEY, feature_hash="f"), key=KEY, feature_hash="f"))
    panel.ask(np.random.default_rng(0).random((50, 3)), range(50))
    panel.predict_many(np.random.default_rng(0).random((50, 3)))
    after = digest(snapshot.loads(snapshot.dumps(panel, key=KEY, feature_hash="f"), key=KEY, feature_hash="f"))
    assert after == before


def test_moved_to_another_worker_its_quality_and_choice_go_on_exactly() -> None:
    stays, moves = make_panel(), make_panel()
    teach(stays, 700)
    teach(moves, 700)
    blob = snapshot.dumps(moves, key=KEY, feature_hash="f")
    restored = snapshot.loads(blob, key=KEY, feature_hash="f")
    assert isinstance(restored, OutcomePanel)
    assert teach(restored, 500, seed=1) == teach(stays, 500, seed=1)
    assert restored.serving.name == stays.serving.name
    for local, theirs in zip(restored.candidates, stays.candidates, strict=True):
        assert local.quality.as_dict() == theirs.quality.as_dict()
        assert local.paired_test == theirs.paired_test
        rows = np.random.default_rng(2).random((30, 3))
        assert local.delivered(local.score_many(rows)).tobytes() == theirs.delivered(theirs.score_many(rows)).tobytes()


def test_a_snapshot_whose_model_is_gone_is_refused() -> None:
    panel = OutcomePanel("x", [candidate("a", "line")])
    object.__setattr__(panel.candidates[0].recipe, "kind", "uninstalled")
    with pytest.raises(SnapshotError, match="no model 'uninstalled'"):
        snapshot.loads(snapshot.dumps(panel, key=KEY, feature_hash="f"), key=KEY, feature_hash="f")


def test_a_candidate_of_some_features_sees_those_alone() -> None:
    some = candidate("some", "line", features=("price", "depth"))
    for number, (_, row, positive) in enumerate(stream(100)):
        some.learn(row, positive, 1.0, math.nan, math.nan)
        assert some.n_seen == number + 1
    row, baseline = np.array([0.9, 0.1, 0.4]), np.array([0.2, 0.2, 0.2])
    assert some.contributions(row, baseline)[1] == 0.0
    other = row.copy()
    other[1] = 0.7
    assert some.score_many(row[np.newaxis]) == some.score_many(other[np.newaxis])


def test_with_a_horizon_the_base_rate_is_given_until_predictions_have_been_judged() -> None:
    late = Candidate("late", Recipe("line", FEATURES), FEATURES, min_labels=20, delayed=True)
    given = []
    for _, row, positive in stream(60):
        raw = late.score_many(row[np.newaxis])
        delivered = late.delivered(raw)
        given.append((late.gives_base_rate, float(delivered[0]), (late.n_positive + 1) / (late.n_seen + 2)))
        late.learn(row, positive, 1.0, float(raw[0]), float(delivered[0]))
    abstained = [math.isnan(delivered) for _, delivered, _ in given].index(False)
    assert [is_base for is_base, *_ in given[abstained:]] == [True] * 20 + [False] * (len(given) - abstained - 20)
    assert all(delivered == pytest.approx(rate) for is_base, delivered, rate in given if is_base)


def test_a_persons_label_is_learned_by_all_and_a_late_one_is_counted() -> None:
    panel = make_panel()
    for _ in range(5):
        panel.learn(np.zeros(3), True, 2.0)
    panel.learn(np.zeros(3), True, pending=4, late=True)
    assert panel.candidates[2].n_seen >= 5
    assert (panel.n_labels, panel.n_late) == (6, 1)


def test_memory_is_bounded() -> None:
    panel, sizes = make_panel(), []
    for seed in range(6):
        teach(panel, 250, seed=seed)
        sizes.append(len(pickle.dumps(panel)))
    assert sizes[-1] < sizes[2] * 1.1
    assert len(snapshot.dumps(panel, key=KEY, feature_hash="f")) < 60_000


def test_a_draw_is_not_won() -> None:
    paired_test = PairedLossTest()
    for _ in range(1_000):
        paired_test.add(0.4, 0.4)
    assert paired_test.z == 0.0
    assert not paired_test.is_won


def test_few_labels_win_nothing() -> None:
    paired_test = PairedLossTest()
    for _ in range(MIN_LABELS - 1):
        paired_test.add(0.1, 0.9)
    assert not paired_test.is_won
    paired_test.add(0.1, 0.9)
    assert paired_test.is_won


def test_what_is_emitted_when_it_is_high_for_the_first_time_is_as_sure_as_it_turns_out() -> None:
    high, rng = candidate("high", "line"), np.random.default_rng(4)
    for _ in range(600):
        crossed = rng.uniform(0.9, 0.96)
        emitted = float(high.emissions(np.array([crossed]))[0])
        high.learn_emission(bool(rng.random() < 0.74), crossed=crossed, emitted=emitted)
    assert high.emissions(np.array([0.93]))[0] == pytest.approx(0.74, abs=0.05)
    metrics = high.emitted.metrics()
    assert metrics["n"] == 600
    assert (metrics["calibration_error"] or 0.0) < 0.06  # the first ones are as the model says
