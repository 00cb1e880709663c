"""Which of several models serves: the one whose predictions cost least of late, by evidence and not by a hair."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

_HALF_LIFE: Final = 400.0
"""Labels after which an old one counts half: recent quality decides, a day's luck doesn't."""

_EDGE: Final = 1e-4
"""Probabilities are this far from 0 and 1 in the loss compared, so that one certain mistake doesn't decide alone."""

MIN_LABELS: Final = 200
"""Labels that both models must have predicted before one can take the other's place."""

MIN_Z: Final = 2.5
"""Standard errors by which the mean loss must be lower: the hysteresis. It is asked at every label, so chance alone
passes it about once in 30,000 labels of three equal models. After a change the evidence begins anew."""


def log_loss(probability: float, positive: bool) -> float:
    """Surprise of one label, in nats, at most 9.3.

    >>> round(log_loss(0.5, True), 3), round(log_loss(0.0, True), 1)
    (0.693, 9.2)
    """
    inside = min(max(probability, _EDGE), 1.0 - _EDGE)
    return -math.log(inside if positive else 1.0 - inside)


@dataclass(slots=True)
class PairedLossTest:
    """A challenger against the champion, on the labels that both had predicted. Old labels fade.

    Attributes
    ----------
    n
        Labels compared.
    weight, weight_squared
        Sum of their faded weights, and of the squares of these.
    ours, theirs
        Faded sums of the losses of challenger and champion.
    squares
        Faded sum of the squared differences.

    Examples
    --------
    >>> paired_test = PairedLossTest()
    >>> for number in range(300):
    ...     paired_test.add(local=0.3, theirs=0.5 if number % 3 else 0.2)
    >>> paired_test.is_won
    True
    """

    n: int = 0
    weight: float = 0.0
    weight_squared: float = 0.0
    local: float = 0.0
    theirs: float = 0.0
    squares: float = 0.0

    def add(self, local: float, theirs: float) -> None:
        """Take in the losses of one label."""
        keep = 0.5 ** (1.0 / _HALF_LIFE)
        self.n += 1
        self.weight = self.weight * keep + 1.0
        self.weight_squared = self.weight_squared * keep * keep + 1.0
        self.local = self.local * keep + local
        self.theirs = self.theirs * keep + theirs
        self.squares = self.squares * keep + (local - theirs) ** 2

    @property
    def losses(self) -> tuple[float, float]:
        """Mean recent loss of challenger and champion."""
        return self.local / self.weight, self.theirs / self.weight

    @property
    def z(self) -> float:
        """By how many standard errors the champion's mean loss is the higher one."""
        if self.n < 2:
            return 0.0
        local, theirs = self.losses
        variance = max(self.squares / self.weight - (local - theirs) ** 2, 0.0)
        error = math.sqrt(variance * self.weight_squared) / self.weight
        return (theirs - local) / max(error, 1e-9)

    @property
    def is_won(self) -> bool:
        """Whether the challenger is better, by evidence."""
        return self.n >= MIN_LABELS and self.z >= MIN_Z


@dataclass(frozen=True, slots=True)
class ChampionChoice:
    """A model that serves from now on, and why.

    Attributes
    ----------
    outcome, model
        What is predicted, and by which candidate.
    before
        The candidate that served until now; None at the start.
    loss, loss_before
        Mean recent log-loss of both over the same labels, in nats; None at the start.
    labels
        Labels compared; at the start, labels learned.
    others
        The other candidates' mean recent log-loss, each on the labels that it and the champion had predicted.
    """

    outcome: str
    model: str
    before: str | None
    loss: float | None
    loss_before: float | None
    labels: int
    others: dict[str, float] = field(default_factory=dict)
