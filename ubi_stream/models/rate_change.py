"""Did an entity change its habits? A few days against the same weekdays of the weeks before.

Weekdays are compared with the same weekdays, so that a week with its weekend is no change. What is counted comes in
clumps (the events of a visit, the visits of a busy day), so counts are divided by how they vary from day to day before
they are taken for independent. The day that speaks most for a change is left out: one day makes no habit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from ubi_stream.features.history import SAMPLE, DailyHistory, Measure

_ABOUT: Final = 0.75
"""Share of the largest evidence that is about as certain."""
_LEAST: Final = 0.5
"""Share of the expected spread that is assumed of the most regular days too."""
_PRIOR_DAYS: Final = 7.0
"""Days that the spread expected of independent visits counts as, beside the days that were seen."""


class ComparedDays(NamedTuple):
    """The last `days`, against those `shift` days before, `times` in a row."""

    days: int
    shift: int
    times: int


WINDOWS: Final = (ComparedDays(3, 7, 3), ComparedDays(7, 7, 3), ComparedDays(14, 14, 1))
"""A few days show a large change soon; two weeks one of those who come once a week."""


@dataclass(frozen=True)
class RateChange:
    """A rate that left its baseline.

    Attributes
    ----------
    factor
        Recent rate over baseline rate; finite and positive even where one count is 0 (half a count is added to both).
    z
        Evidence in standard deviations of a normal: positive for a rise, negative for a fall.
    direction
        Which way.
    """

    factor: float
    z: float
    direction: Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class HabitChange:
    """A change of an entity's habits.

    Attributes
    ----------
    measure, unit
        What changed: see `ubi_stream.features.history.Measure`.
    direction
        Which way.
    days, weeks
        Days that differ, and the weeks before with which they were compared.
    recent, usual
        Sum over those days, and what as many days usually come to.
    z
        Evidence in standard deviations of a normal, positive.
    corrected_z
        The same, corrected for all comparisons of the review: what decides whether there is a change.
    also
        Other measures that changed in the same direction, strongest first.
    held
        Whether it is part of what is told of all entities together.
    """

    measure: str
    unit: str
    direction: Literal["up", "down"]
    days: int
    weeks: int
    recent: float
    usual: float
    z: float
    corrected_z: float = 0.0
    also: tuple[str, ...] = ()
    held: bool = False

    @property
    def factor(self) -> float:
        """How many times the usual; `usual` is positive."""
        return self.recent / self.usual


def find_change(history: DailyHistory) -> HabitChange | None:
    """The change that is most certain; None where nothing changed enough.

    Of those that are about as certain, the first measure of the history leads: who comes less often does less of
    everything.

    Notes
    -----
    The evidence is corrected by the normal's tail: of m comparisons the largest z is taken for sqrt(z² - 2 ln m).
    Totals are corrected for the comparisons of totals alone, so that types and categories don't hide them.
    """
    factor, min_z, min_sample = history.limits
    totals = details = 0
    found: list[tuple[int, HabitChange]] = []
    for place, measure in enumerate(history.measures):
        for window in WINDOWS:
            if not _is_enough(history, window, min_sample) or (sides := _Sides.of(measure, window)) is None:
                continue
            totals, details = totals + measure.is_total, details + 1
            if (change := sides.change(measure, factor)) is not None:
                found.append((place, change))
    certain: list[tuple[float, int, HabitChange]] = []
    for place, change in found:
        z = corrected(change.z, totals if history.measures[place].is_total else details)
        if z >= min_z:
            certain.append((z, place, change))
    if not certain:
        return None
    most = max(z for z, _, _ in certain)
    z, _, best = min((one for one in certain if one[0] >= _ABOUT * most), key=lambda one: (one[1], -one[0]))
    certain.sort(key=lambda one: (-one[0], one[1], one[2].days))
    same = dict.fromkeys(change.measure for _, _, change in certain if change.direction == best.direction)
    return replace(best, corrected_z=z, also=tuple(name for name in same if name != best.measure))


def corrected(z: float, comparisons: int) -> float:
    """Evidence of the strongest of several comparisons.

    >>> corrected(4.0, 1), round(corrected(4.0, 20), 2), corrected(1.0, 20)
    (4.0, 3.16, 0.0)
    """
    return math.sqrt(max(0.0, z * z - 2.0 * math.log(comparisons)))


def rate_change(
    recent_count: float,
    recent_exposure: float,
    baseline_count: float,
    baseline_exposure: float,
    *,
    min_factor: float = 2.0,
    min_z: float = 3.0,
    min_count: float = 10,
) -> RateChange | None:
    """Compare the rates of two Poisson counts and tell a change that is both large and certain.

    Given the total, the recent count is binomial with the recent window's share of the exposure where the rates are
    equal, so that the unknown rate itself drops out. The evidence is the signed root of the likelihood ratio: close to
    the exact test for small counts too, and a few logarithms.

    Parameters
    ----------
    recent_count, baseline_count
        Events in two windows that don't overlap, at least 0; not whole where they were divided by a dispersion.
    recent_exposure, baseline_exposure
        How long, or over how many occasions, they were counted; the same unit for both.
    min_factor
        The rate must have changed by this factor, up or down.
    min_z
        The least evidence. 3 is one false alarm in about 740 comparisons of equal rates, both directions together.
    min_count
        The least total of both counts.

    Returns
    -------
    RateChange or None
        None where there is no such change, or not enough to tell; also where an exposure isn't positive and finite, or
        vanishes beside the other.

    Examples
    --------
    >>> change = rate_change(30, 1.0, 70, 7.0)
    >>> round(change.factor, 2), round(change.z, 2), change.direction
    (3.03, 4.61, 'up')
    >>> rate_change(3, 1.0, 2, 7.0) is None  # five events prove nothing
    True

    References
    ----------
    J. Przyborowski, H. Wilenski: Homogeneity of results in testing samples from Poisson series. Biometrika 31, 1940.
    P. McCullagh, J. A. Nelder: Generalized Linear Models, 2nd ed., 1989 (binomial deviance).
    """
    if not (0.0 < recent_exposure < math.inf and 0.0 < baseline_exposure < math.inf):
        return None
    share = recent_exposure / (recent_exposure + baseline_exposure)
    if not 1e-9 < share < 1.0 - 1e-9 or recent_count + baseline_count < min_count:
        return None
    factor = (recent_count + 0.5) / recent_exposure / ((baseline_count + 0.5) / baseline_exposure)
    z = _signed_root(recent_count, baseline_count, share)
    if abs(z) < min_z or not (factor >= min_factor or factor <= 1.0 / min_factor):
        return None
    return RateChange(factor, z, "up" if z > 0.0 else "down")


class _Sides(NamedTuple):
    """A measure's recent days, newest first, and for each the sum of the days that it is compared with."""

    window: ComparedDays
    recent: tuple[float, ...]
    before: tuple[float, ...]
    earlier: tuple[float, ...]
    """All days before the recent ones, oldest first."""

    @classmethod
    def of(cls, measure: Measure, window: ComparedDays) -> _Sides | None:
        """Both sides; None where too few weeks are known, or the measure was not there in two of them."""
        values, (days, shift, most) = measure.values, window
        times = min(most, (len(values) - days) // shift)
        weeks = times * shift // 7
        if weeks < 2:
            return None
        newest_first = values[::-1]
        by_week = [newest_first[start : start + min(days, 7)] for start in range(shift, shift + 7 * weeks, 7)]
        if sum(map(any, by_week)) < 2:
            return None
        before = tuple(sum(newest_first[day + shift * (1 + k)] for k in range(times)) for day in range(days))
        return cls(ComparedDays(days, shift, times), newest_first[:days], before, values[: len(values) - days])

    def change(self, measure: Measure, factor: float) -> HabitChange | None:
        """The change by a factor; its evidence is not corrected yet."""
        days, shift, times = self.window
        recent, usual = sum(self.recent), sum(self.before) / times
        if 1.0 / factor < recent / usual < factor:
            return None
        excess = [now - then / times for now, then in zip(self.recent, self.before, strict=True)]
        rises = recent > usual
        loudest = excess.index(max(excess) if rises else min(excess))
        dispersion = self._dispersion(measure.clump)
        found = rate_change(
            (recent - self.recent[loudest]) / dispersion,
            days - 1.0,
            (sum(self.before) - self.before[loudest]) / dispersion,
            (days - 1.0) * times,
            min_factor=math.sqrt(factor),
            min_z=0.0,
            min_count=1.0,
        )
        direction: Literal["up", "down"] = "up" if rises else "down"
        if found is None or found.direction != direction:
            return None
        weeks = times * shift // 7
        return HabitChange(measure.name, measure.unit, direction, days, weeks, recent, usual, abs(found.z))

    def _dispersion(self, clump: float) -> float:
        """Variance over mean of a day's value, about the mean of its weekday; between what is seen and expected."""
        weekdays = [self.earlier[start::7] for start in range(7)]
        squares = sum(_squares(values) for values in weekdays)
        mean = sum(self.earlier) / len(self.earlier)
        freedom = len(self.earlier) - len(weekdays)
        dispersion = (_PRIOR_DAYS * clump + squares / mean) / (_PRIOR_DAYS + freedom)
        return max(dispersion, _LEAST * clump)


def _is_enough(history: DailyHistory, window: ComparedDays, min_sample: int) -> bool:
    """Whether both sides of a comparison have visits enough."""
    values = history.measures[SAMPLE].values
    return sum(values[-(window.days + window.shift * window.times) :]) >= min_sample


def _squares(values: Sequence[float]) -> float:
    """Sum of squared deviations from the mean."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def _signed_root(recent: float, baseline: float, share: float) -> float:
    """Return the signed root of twice the log-likelihood ratio of a binomial count against `share`."""
    total = recent + baseline
    log_ratio = _term(recent, total * share) + _term(baseline, total * (1.0 - share))
    return math.copysign(math.sqrt(2.0 * max(log_ratio, 0.0)), recent - total * share)


def _term(count: float, expected: float) -> float:
    return count * math.log(count / expected) if count else 0.0
