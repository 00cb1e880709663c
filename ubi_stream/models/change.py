"""Has the rate of something doubled or halved?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


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


def rate_change(
    recent_count: int,
    recent_exposure: float,
    baseline_count: int,
    baseline_exposure: float,
    *,
    min_factor: float = 2.0,
    min_z: float = 3.0,
    min_count: int = 10,
) -> RateChange | None:
    """Compare the rates of two Poisson counts and tell a change that is both large and certain.

    Given the total, the recent count is binomial with the recent window's share of the exposure where the rates are
    equal, so that the unknown rate itself drops out. The evidence is the signed root of the likelihood ratio: close to
    the exact test for small counts too, and a few logarithms.

    Parameters
    ----------
    recent_count, baseline_count
        Events in two windows that don't overlap, at least 0.
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


def _signed_root(recent: int, baseline: int, share: float) -> float:
    """Return the signed root of twice the log-likelihood ratio of a binomial count against `share`."""
    total = recent + baseline
    log_ratio = _term(recent, total * share) + _term(baseline, total * (1.0 - share))
    return math.copysign(math.sqrt(2.0 * max(log_ratio, 0.0)), recent - total * share)


def _term(count: int, expected: float) -> float:
    return count * math.log(count / expected) if count else 0.0
