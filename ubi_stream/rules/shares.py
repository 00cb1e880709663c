"""Has a share risen from what is usual to nearly all? Sequential tests of many shares at once, by array operations."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray

_MEMORY: Final = 2_000.0
"""Trials after which old ones weigh less against new ones: a share may change slowly."""

_LONG_MEMORY: Final = 20_000.0
"""The same for what was usual before that: when a sale is over, a share is as it was, and nothing broke."""

_CERTAINTY: Final = 2.0
"""Standard deviations by which the usual share may be larger than it was measured."""

_TINY: Final = 1e-9

BACK: Final = 5.0
"""Evidence, in nats, that a share is usual again."""


class ShareTests:
    """One-sided CUSUM tests (log-likelihood ratio) of shares of hits among trials, one for each column.

    A hit is what should be rare, or not nearly all. The usual share is learned, with a prior. Two things keep an
    ordinary change, such as that from day to night, from being evidence: the usual share is taken at the upper end of
    what is plausible, `slack` further in log-odds; and it is compared with a share at which nearly all are hits, so
    that evidence grows only where it is closer to that. What is part of growing evidence is not learned until the
    evidence is gone.

    Parameters
    ----------
    n
        Columns.
    prior_hits, prior_trials
        What is known before anything is learned: one figure each, or one for each column.
    slack
        Log-odds by which the share of hits may be larger than usual, at most, without being evidence.
    left
        Share of the usual misses that is left where nearly all are hits.
    evidence
        Nats from which on a share has risen: one figure, or one for each column.
    least, misses
        Trials, and misses among them, that are only learned, before any is evidence. What never came can't stop.
    certain
        Trials after which the usual share is not taken to be any more certain: users differ, and so do hours.

    Attributes
    ----------
    evidence
        In nats, shape (n,).
    active
        Columns whose share has risen and is not usual again.
    trials, hits
        Of the open run: since the evidence was last zero. In an active column since then.
    since_ms
        Time of the first trial of the open run.

    Examples
    --------
    >>> tests = ShareTests(1, prior_hits=0.5, prior_trials=50.0, slack=0.5, left=0.1, evidence=10.0)
    >>> for at_ms in range(100):
    ...     risen = tests.update(np.array([1.0]), np.array([float(at_ms % 50 == 0)]), at_ms)
    >>> [bool(tests.update(np.array([1.0]), np.array([1.0]), 100 + late)[0]) for late in range(5)]
    [False, False, False, True, True]

    References
    ----------
    M. R. Reynolds, Z. G. Stoumbos: A CUSUM chart for monitoring a proportion when inspecting continuously. Journal of
    Quality Technology 31, 1999.
    """

    def __init__(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        n: int,
        *,
        prior_hits: float | FloatArray,
        prior_trials: float | FloatArray,
        slack: float | FloatArray,
        left: float | FloatArray,
        evidence: float | FloatArray,
        least: float | FloatArray = 0.0,
        misses: float = 0.0,
        certain: float | FloatArray = 100.0,
    ) -> None:
        self._prior_hits = np.zeros(n) + prior_hits
        self._prior_trials = np.zeros(n) + prior_trials
        self._slack = np.zeros(n) + slack
        self._left = np.zeros(n) + left
        self._least = np.zeros(n) + least
        self._certain = np.zeros(n) + certain
        self._misses = misses
        self._enough = np.zeros(n) + evidence
        self._known_trials = np.zeros(n)
        self._known_hits = np.zeros(n)
        self._long_trials = np.zeros(n)
        self._long_hits = np.zeros(n)
        self.evidence = np.zeros(n)
        self.active = np.zeros(n, dtype=np.bool_)
        self._back = np.zeros(n)
        self.trials = np.zeros(n)
        self.hits = np.zeros(n)
        self.since_ms = np.zeros(n, dtype=np.int64)
        self._weigh()

    @property
    def usual(self) -> FloatArray:
        """Usual share of hits."""
        usual: FloatArray = (self._known_hits + self._prior_hits) / (self._known_trials + self._prior_trials)
        return usual

    @property
    def rare(self) -> NDArray[np.bool_]:
        """Columns in which a single hit is something: those in which few trials are hits."""
        rare: NDArray[np.bool_] = self._for_hit > 1.0
        return rare

    def update(
        self, trials: FloatArray, hits: FloatArray, at_ms: int, *, only_learn: bool = False
    ) -> NDArray[np.bool_]:
        """Take in trials of each column; returns those whose share has risen, and that are not yet `active`.

        `begin` makes them active; until then they are returned each time. `at_ms` is the time of the first trial. What
        is only to be learned is no evidence.
        """
        gain = hits * self._for_hit + (trials - hits) * self._for_miss
        is_new = (self._known_trials < self._least) | (self._known_trials - self._known_hits < self._misses)
        gain = np.where(only_learn | is_new, 0.0, gain)
        active = self.active
        self._back = np.where(active, np.maximum(self._back - gain, 0.0), 0.0)
        fresh = self.evidence <= 0.0
        before = np.minimum(self.evidence, self._enough)  # more would only be in the way of evidence against it
        self.evidence = np.where(active, self.evidence, np.maximum(before + gain, 0.0))
        self.since_ms = np.where(fresh & (self.evidence > 0.0), at_ms, self.since_ms)
        self.trials = self.trials + trials
        self.hits = self.hits + hits
        calm = (self.evidence <= 0.0) & ~active
        if (self.trials[calm] > 0.0).any():
            self._learn(calm)
        risen: NDArray[np.bool_] = ~self.active & (self.evidence >= self._enough)
        return risen

    def begin(self, column: int) -> None:
        """Take a column's share for risen."""
        self.active[column] = True
        self._back[column] = 0.0

    def ended(self) -> list[int]:
        """Active columns whose share is usual again."""
        return np.flatnonzero(self.active & (self._back >= BACK)).tolist()

    def end(self, column: int, *, forget: bool = False) -> None:
        """A column is as usual again; or, if it is to `forget`, what came last is usual from now on."""
        self.active[column] = False
        self.evidence[column] = self._back[column] = 0.0
        if forget:
            self._known_trials[column], self._known_hits[column] = self.trials[column], self.hits[column]
        self.trials[column] = self.hits[column] = 0.0
        self._weigh()

    def _learn(self, calm: NDArray[np.bool_]) -> None:
        self._known_trials += np.where(calm, self.trials, 0.0)
        self._known_hits += np.where(calm, self.hits, 0.0)
        self._long_trials += np.where(calm, self.trials, 0.0)
        self._long_hits += np.where(calm, self.hits, 0.0)
        self.trials = np.where(calm, 0.0, self.trials)
        self.hits = np.where(calm, 0.0, self.hits)
        kept = _MEMORY / np.maximum(self._known_trials, _MEMORY)
        self._known_trials *= kept
        self._known_hits *= kept
        kept = _LONG_MEMORY / np.maximum(self._long_trials, _LONG_MEMORY)
        self._long_trials *= kept
        self._long_hits *= kept
        self._weigh()

    def _weigh(self) -> None:
        """What a hit and a miss are worth as evidence, by what is known."""
        usual = self.usual
        certain = np.minimum(self._known_trials + self._prior_trials, self._certain)
        spread = np.sqrt(usual * (1.0 - usual) / certain)
        before = (self._long_hits + self._prior_hits) / (self._long_trials + self._prior_trials)
        high = np.clip(np.maximum(usual + _CERTAINTY * spread, before), _TINY, None)
        few_misses = np.minimum(0.5 * (1.0 - np.maximum(usual, before)), 1.0 - _TINY)
        misses = np.clip(np.maximum(1.0 - high, few_misses), _TINY, 1.0 - _TINY)
        odds = misses / (1.0 - misses) * np.exp(-self._slack)
        misses = odds / (1.0 + odds)
        self._for_hit = np.log((1.0 - self._left * misses) / (1.0 - misses))
        self._for_miss = np.log(self._left) * np.ones_like(misses)
