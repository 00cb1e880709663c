"""Who is scored and learned when."""

from __future__ import annotations

from typing import Any

import pytest

from ubi_stream.evaluate.progressive import Example, progressive


class Recorder:
    """A classifier that writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def predict_proba_one(self, x: dict[str, Any]) -> dict[bool, float]:
        self.calls.append(f"score {x['name']}")
        return {} if len(self.calls) == 1 else {True: 0.3, False: 0.1}

    def learn_one(self, x: dict[str, Any], y: bool) -> None:
        self.calls.append(f"learn {x['name']} {y}")


class Counter:
    """A detector whose score is how much it has learned."""

    def __init__(self) -> None:
        self.learned = 0

    def score_one(self, x: dict[str, Any]) -> float:
        return float(self.learned)

    def learn_one(self, x: dict[str, Any]) -> None:
        self.learned += 1


def example(name: str, y: bool, at_s: float = 0.0, label_at_s: float = 0.0) -> Example:
    return Example({"name": name}, y, at_s, label_at_s, group=name[0])


def test_without_delay_each_is_scored_then_learned() -> None:
    model = Recorder()
    run = progressive([example("a", True), example("b", False), example("c", True)], model, "classification")
    assert model.calls == ["score a", "learn a True", "score b", "learn b False", "score c", "learn c True"]
    assert run.scores.tolist() == pytest.approx([0.5, 0.75, 0.75])
    assert run.last_class.tolist() == [False, True, False]
    assert run.known.tolist() == [0, 1, 2]
    assert run.max_waiting == 0


def test_labels_are_learned_when_they_arrive_in_their_own_order() -> None:
    # scored   a(0)  b(1)        c(5)       d(9)
    # labels                b(3)      a(6)        c(12), d(12): never
    model = Recorder()
    examples = [
        example("a", True, 0.0, 6.0),
        example("b", False, 1.0, 3.0),
        example("c", True, 5.0, 12.0),
        example("d", True, 9.0, 12.0),
    ]
    run = progressive(examples, model, "classification")
    assert model.calls == ["score a", "score b", "learn b False", "score c", "learn a True", "score d"]
    assert run.last_class.tolist() == [False, False, False, True]
    assert run.known.tolist() == [0, 0, 1, 2]
    assert run.max_waiting == 2


def test_a_label_that_arrives_at_the_time_of_a_prediction_is_learned_before_it() -> None:
    model = Recorder()
    progressive([example("a", True, 0.0, 5.0), example("b", True, 5.0, 9.0)], model, "classification")
    assert model.calls == ["score a", "learn a True", "score b"]


def test_a_detector_learns_without_labels() -> None:
    run = progressive([example(name, name == "c", 0.0, 100.0) for name in "abc"], Counter(), "anomaly")
    assert run.scores.tolist() == [0.0, 1.0, 2.0]
    assert run.metrics()["roc_auc"] == 1.0


def test_predictions_on_few_labels_can_be_left_out() -> None:
    examples = [example(name, name in "bd") for name in ("a", "b", "c", "d", "d2")]
    late = progressive(examples, Recorder(), "classification").after(2)
    assert late.outcomes.tolist() == [False, True, False]
    assert late.groups.tolist() == [0, 1, 1]


def test_the_curve_ends_with_the_whole() -> None:
    run = progressive([example(f"{i}", i % 3 == 0) for i in range(50)], Recorder(), "classification")
    curve = run.curve(points=7)
    assert [place for place, _ in curve] == [7, 14, 21, 28, 35, 42, 50]
    assert curve[-1][1] == run.metrics()


def test_the_price_is_that_of_scoring_and_learning() -> None:
    ticks = iter(range(100))
    run = progressive([example(name, True) for name in "ab"], Recorder(), "classification", cpu_s=lambda: next(ticks))
    assert run.us_per_event == 1e6
