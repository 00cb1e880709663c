"""Calibrated probabilities by counting: of the earlier cases that looked alike, the share that came true."""

from __future__ import annotations

from typing import Final

PRIOR_CASES: Final = 8.0
"""What a group says counts as much as so many cases of a cell, and what all groups say as so many of a group."""
MOST_CASES: Final = 4_096.0
"""A count that comes to so many is halved: newer cases count more."""


class FrequencyTable:
    """Shares of cases that came true, by group and by cell within the group.

    Histogram binning with shrinkage: a cell with few cases says about what its group says. So a probability is
    calibrated wherever there are cases enough, and never 0 or 1.

    Parameters
    ----------
    warm_up
        Cases without which there is no probability.

    Attributes
    ----------
    n_seen
        Cases learned from.

    Examples
    --------
    >>> table = FrequencyTable(warm_up=4)
    >>> table.probability("new", 0) is None
    True
    >>> for held in (True, True, True, False):
    ...     table.learn("new", 0, held)
    >>> round(table.probability("new", 0), 2)
    0.71

    References
    ----------
    B. Zadrozny, C. Elkan: Obtaining calibrated probability estimates from decision trees and naive Bayesian
    classifiers. ICML 2001 (histogram binning, and smoothing of small bins).
    """

    def __init__(self, *, warm_up: int = 50) -> None:
        self.warm_up = warm_up
        self.n_seen = 0
        self._all = [0.0, 0.0]  # cases, and those of them that came true
        self._groups: dict[str, list[float]] = {}
        self._cells: dict[tuple[str, int], list[float]] = {}

    def probability(self, group: str, cell: int) -> float | None:
        """Probability that a case of a cell comes true, in (0, 1); None while warming up."""
        if self.n_seen < self.warm_up:
            return None
        of_all = _shrunk(self._all, 0.5, 2.0)
        of_group = _shrunk(self._groups.get(group), of_all, PRIOR_CASES)
        return _shrunk(self._cells.get((group, cell)), of_group, PRIOR_CASES)

    def learn(self, group: str, cell: int, positive: bool) -> None:
        """Count one case."""
        self.n_seen += 1
        for counts in (
            self._all,
            self._groups.setdefault(group, [0.0, 0.0]),
            self._cells.setdefault((group, cell), [0.0, 0.0]),
        ):
            counts[0] += 1.0
            counts[1] += positive
            if counts[0] >= MOST_CASES:
                counts[0] /= 2.0
                counts[1] /= 2.0

    def status(self) -> dict[str, object]:
        """Why there is no probability yet: how many cases were seen, of how many."""
        return {"status": "warming_up", "n": self.n_seen, "of": self.warm_up}


def _shrunk(counts: list[float] | None, towards: float, weight: float) -> float:
    cases, true = counts or (0.0, 0.0)
    return (true + weight * towards) / (cases + weight)
