"""Progressive validation: each example is scored before it is learned, and learned when its label arrives."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ubi_stream.evaluate.metrics import Metrics, Outcomes, Scores, anomaly_metrics, classification_metrics

Task: TypeAlias = Literal["classification", "anomaly"]

_BATCH = 500
"""Rows that a detector is given at a time: as many as a worker's poll has."""


class Classifies(Protocol):
    """A binary classifier, River's way. An empty answer means that it has none yet: 0.5."""

    def predict_proba_one(self, x: dict[str, Any]) -> dict[bool, float]:
        """Return the probabilities of the classes it knows."""
        ...

    def learn_one(self, x: dict[str, Any], y: bool) -> None:
        """Learn an example."""
        ...


class Detects(Protocol):
    """An anomaly detector, River's way."""

    def score_one(self, x: dict[str, Any]) -> float:
        """Return how odd an example is."""
        ...

    def learn_one(self, x: dict[str, Any]) -> None:
        """Learn an example."""
        ...


@dataclass(frozen=True, slots=True)
class Example:
    """Features and what came of them.

    Attributes
    ----------
    at_s
        Time of the prediction; only differences matter.
    label_at_s
        When the label is known. At `at_s` or before: at once.
    group
        Rows of one group depend on each other: a visit, a user. For intervals.
    """

    x: dict[str, Any]
    y: bool
    at_s: float = 0.0
    label_at_s: float = 0.0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """All predictions of one pass over a set, in order, and what they cost.

    Attributes
    ----------
    last_class, known
        The newest label learned before each prediction, and how many there were.
    us_per_event
        CPU time of scoring and learning, in microseconds.
    max_waiting
        The most examples that waited for their label at once.
    """

    task: Task
    scores: Scores
    outcomes: Outcomes
    last_class: Outcomes
    known: NDArray[np.intp]
    groups: NDArray[np.intp]
    us_per_event: float
    max_waiting: int

    def metrics(self, upto: int | None = None) -> Metrics:
        """Return the metrics of the first `upto` examples, or of all."""
        scores, outcomes = self.scores[:upto], self.outcomes[:upto]
        if self.task == "anomaly":
            return anomaly_metrics(scores, outcomes)
        return classification_metrics(scores, outcomes, self.last_class[:upto])

    def after(self, labels: int) -> Run:
        """Return the run without the predictions that were made on fewer labels: a model may abstain till then."""
        kept = self.known >= labels
        return replace(
            self,
            scores=self.scores[kept],
            outcomes=self.outcomes[kept],
            last_class=self.last_class[kept],
            known=self.known[kept],
            groups=np.unique(self.groups[kept], return_inverse=True)[1],
        )

    def curve(self, points: int = 100) -> list[tuple[int, Metrics]]:
        """Return the metrics so far at up to `points` places, evenly spread."""
        n = len(self.outcomes)
        places = sorted({n * (i + 1) // points for i in range(points)} - {0})
        return [(place, self.metrics(place)) for place in places]


def progressive(
    examples: Iterable[Example],
    model: Any,
    task: Task,
    *,
    cpu_s: Callable[[], float] = time.process_time,
) -> Run:
    """Run a fresh model over examples, in order.

    Labels are learned in the order in which they arrive, with the features as they were at the prediction, before
    anything later is scored. A detector learns at once: it needs no label.

    Parameters
    ----------
    model
        `Classifies` for a classification, `Detects` for an anomaly task.
    cpu_s
        Where CPU time comes from.
    """
    if task == "anomaly":
        return _detection(list(examples), model, cpu_s)
    run = _Classification(model)
    outcomes: list[bool] = []
    scores: list[float] = []
    last_class: list[bool] = []
    known: list[int] = []
    groups: dict[str, int] = {}
    group_of: list[int] = []
    spent_s = 0.0
    for example in examples:
        group_of.append(groups.setdefault(example.group or str(len(outcomes)), len(groups)))
        start_s = cpu_s()
        run.learn_arrived(example.at_s)
        last_class.append(run.last_label)
        known.append(run.known)
        scores.append(run.score(example))
        spent_s += cpu_s() - start_s
        outcomes.append(example.y)
    n = len(outcomes)
    return Run(
        task=task,
        scores=np.array(scores, dtype=np.float64),
        outcomes=np.array(outcomes, dtype=np.bool_),
        last_class=np.array(last_class, dtype=np.bool_),
        known=np.array(known, dtype=np.intp),
        groups=np.array(group_of, dtype=np.intp),
        us_per_event=spent_s / n * 1e6 if n else 0.0,
        max_waiting=run.max_waiting,
    )


class _Classification:
    """A classifier, and the examples whose labels are on their way."""

    def __init__(self, model: Classifies) -> None:
        self.model = model
        self.last_label = False
        self.known = 0
        self.max_waiting = 0
        self._waiting: list[tuple[float, int, dict[str, Any], bool]] = []
        self._number = 0

    def learn_arrived(self, now_s: float) -> None:
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, x, y = heapq.heappop(self._waiting)
            self._learn(x, y)

    def score(self, example: Example) -> float:
        predicted = self.model.predict_proba_one(example.x)
        if example.label_at_s <= example.at_s:
            self._learn(example.x, example.y)
        else:
            heapq.heappush(self._waiting, (example.label_at_s, self._number, example.x, example.y))
            self._number += 1
            self.max_waiting = max(self.max_waiting, len(self._waiting))
        total = sum(predicted.values())
        return predicted.get(True, 0.0) / total if total > 0.0 else 0.5

    def _learn(self, x: dict[str, Any], y: bool) -> None:
        self.model.learn_one(x, y)
        self.last_label = y
        self.known += 1


def _detection(examples: list[Example], model: Detects, cpu_s: Callable[[], float]) -> Run:
    """Run a detector; labels are for judging it only."""
    groups: dict[str, int] = {}
    group_of = [groups.setdefault(example.group or str(i), len(groups)) for i, example in enumerate(examples)]
    xs = [example.x for example in examples]
    start_s = cpu_s()
    scores = [_scores(model, xs[first : first + _BATCH]) for first in range(0, len(xs), _BATCH)]
    spent_s = cpu_s() - start_s
    n = len(examples)
    return Run(
        task="anomaly",
        scores=np.concatenate([np.zeros(0), *scores]),
        outcomes=np.array([example.y for example in examples], dtype=np.bool_),
        last_class=np.zeros(n, dtype=np.bool_),
        known=np.arange(n, dtype=np.intp),
        groups=np.array(group_of, dtype=np.intp),
        us_per_event=spent_s / n * 1e6 if n else 0.0,
        max_waiting=0,
    )


def _scores(model: Detects, xs: list[dict[str, Any]]) -> Scores:
    """Score rows, each before it is learned; at once where the model can, as a worker does: the scores are the same."""
    if hasattr(model, "score_learn_many"):
        scores: Scores = model.score_learn_many(xs)
        return scores
    one_by_one = []
    for x in xs:
        one_by_one.append(model.score_one(x))
        model.learn_one(x)
    return np.array(one_by_one, dtype=np.float64)
