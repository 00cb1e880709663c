"""What a user will spend or do in the days ahead, from the days before.

Holt-Winters by River, fitted anew from the few days that a user's state keeps, so that there is no further state and
nothing depends on when it is asked. Three candidates, a slow level, a quick one, and a level with a weekly rhythm, and
those that the pack adds, forecast each day from those before it (rolling origin). The first serves, unless another
one's mean absolute error is clearly smaller, and its own errors are the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, floor, hypot, isfinite, isnan, sqrt
from statistics import NormalDist, fmean
from typing import Any, Final

from river.time_series import SNARIMAX, HoltWinters

from ubi_stream.models.common.river_models import make_listed
from ubi_stream.packs.candidates import FORECASTERS, of_task
from ubi_stream.packs.models import ForecastModel, ModelsSpec

WEEK: Final = 7
MIN_ERRORS: Final = 9
"""Days forecast in the backtest, at the least: with fewer an interval of 80 % has no inner bound."""
MIN_DAYS: Final = WEEK + MIN_ERRORS
MAX_HORIZON: Final = 14
"""Days ahead: more than half of what is kept of the past would be a guess."""
_SLOW_ALPHA: Final = 0.1
"""Of the level: ten days' memory. On card payments 0.05 to 0.2 are as good."""
_QUICK_ALPHA: Final = 0.4
"""Of the level of a user who changed a short while ago."""
_TREND_BETA: Final = 0.01
"""River's season needs a trend: one that hardly moves. A month is too short to tell a trend from chance."""
_SEASON_GAMMA: Final = 0.1
_CLEARLY: Final = 0.9
"""Share of the error that a less simple candidate may have: a little less in three weeks is often luck."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure ahead, and the interval that it lies in with the probability asked for. Never below 0."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """Mean absolute error of a day's forecast, made with the days before it.

    `origins` is how many days were forecast. `naive` says the same as the day before, `weekday` the same as a week
    before; both over the same days.
    """

    origins: int
    error: float
    naive: float
    weekday: float

    @property
    def skill(self) -> float:
        """Share of the better naive forecast's error that is saved; 0 or less is of no use."""
        least = min(self.naive, self.weekday)
        return 1.0 - self.error / least if least > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days ahead, what they come to together, and how good such forecasts of this series were.

    `model` is the candidate that served, `rhythm` says whether it knows weeks; `recent` is what the newest days came
    to, as many as are forecast.
    """

    days: tuple[Expected, ...]
    total: Expected
    recent: float
    rhythm: bool
    backtest: Backtest
    model: str

    @property
    def change(self) -> float:
        """How much more or less the days ahead are expected to come to than the newest, as a share of the larger."""
        most = max(self.total.value, self.recent)
        return (self.total.value - self.recent) / most if most > 0 else 0.0

    def is_worth_reading(self, model: ForecastModel) -> bool:
        """Whether it says something: it has skill, and the change is large enough, as a share and in the series' unit.

        Where the total may as well be nothing, of those who buy now and then, it is no forecast.
        """
        return (
            self.backtest.skill > 0
            and self.total.low > 0
            and abs(self.change) >= model.min_change
            and abs(self.total.value - self.recent) >= model.min_difference
        )


class _BegunByAWeek(HoltWinters):  # type: ignore[misc]  # River has no types
    """Holt-Winters that begins when a whole week is known. River begins with what a month hardly forgets."""

    _initialized: bool

    def learn_one(self, y: float, x: object = None) -> None:
        """Take in the next value."""
        if self._initialized:
            super().learn_one(y)
            return
        self._first_values.append(y)
        if len(self._first_values) == WEEK:
            self._begin(fmean(self._first_values))
            self._initialized = True

    def _begin(self, level: float) -> None:
        """Set out from the first week and its mean."""
        self.level.append(level)


class LevelModel(_BegunByAWeek):
    """Exponential smoothing without trend or season, begun at the mean of the first week, not of two days."""

    def __init__(self, alpha: float = _SLOW_ALPHA) -> None:
        super().__init__(alpha)


class Weekly(_BegunByAWeek):
    """Additive Holt-Winters with a season of a week.

    River begins an additive season with the ratios of the first values to their mean, and a trend with the difference
    of the first and last value: here the season begins with the differences, and the trend with nothing.
    """

    def __init__(self, alpha: float = _SLOW_ALPHA, beta: float = _TREND_BETA, gamma: float = _SEASON_GAMMA) -> None:
        super().__init__(alpha, beta, gamma, seasonality=WEEK)

    def _begin(self, level: float) -> None:
        super()._begin(level)
        self.trend.append(0.0)
        self.season.extend(value - level for value in self._first_values)


@dataclass(frozen=True, slots=True)
class ForecastCandidate:
    """A model that may forecast, and its name; `make` gives a fresh one."""

    name: str
    make: Callable[[], Any]


_SLOW, _QUICK, _WEEKLY = FORECASTERS
_FIRST: Final = ForecastCandidate(_SLOW, LevelModel)
_OTHERS: Final = (ForecastCandidate(_QUICK, partial(LevelModel, _QUICK_ALPHA)), ForecastCandidate(_WEEKLY, Weekly))


def candidates_of(models: ModelsSpec, *, seed: int = 1) -> tuple[ForecastCandidate, ...]:
    """Candidates that a pack adds: Holt-Winters or SNARIMAX of River with its own parameters.

    Raises
    ------
    ConfigError
        One is something else, or doesn't take its parameters.
    """
    added = of_task("forecast", models.candidates, costly=models.costly)
    makers = [partial(make_listed, one.kind, one.parameters, (HoltWinters, SNARIMAX), seed=seed) for one in added]
    for make in makers:
        make()
    return tuple(ForecastCandidate(one.name, make) for one, make in zip(added, makers, strict=True))


def forecast(
    series: Sequence[float], *, horizon: int, interval: float, further: Sequence[ForecastCandidate] = ()
) -> Forecast | None:
    """Forecast a series of days.

    Parameters
    ----------
    series
        Complete days, oldest first; a day without anything is 0.
    horizon
        Days ahead, 1 to `MAX_HORIZON`.
    interval
        Nominal coverage of the intervals, in (0, 1).
    further
        Candidates beside the three. One that can't forecast this series, by an arithmetic error or figures that are not
        finite, is left out.

    Returns
    -------
    None with fewer than `MIN_DAYS` days, or where a value is no finite number.

    Notes
    -----
    The interval of a day are the empirical quantiles of the one-step errors, with the correction for few of them of
    split conformal prediction (Lei et al. 2018); further ahead they widen as the variance of exponential smoothing does
    (Hyndman, Koehler, Ord, Snyder 2008, section 6.3). A day may be skewed, most days nothing and one day much; a sum of
    days is less so: the total's interval is that of a normal distribution with the mean square that the days'
    errors sum to.

    Raises
    ------
    ValueError
        The horizon or the interval is out of range.

    Examples
    --------
    >>> quiet = forecast([10.0, 12.0, 8.0, 11.0] * 7, horizon=7, interval=0.8)
    >>> round(quiet.total.value), quiet.rhythm
    (72, False)
    >>> forecast([1.0] * 10, horizon=7, interval=0.8) is None
    True
    """
    if not 1 <= horizon <= MAX_HORIZON or not 0 < interval < 1:
        raise ValueError(f"horizon = {horizon}, interval = {interval}: expected 1 to {MAX_HORIZON}, and 0 to 1")
    if len(series) < MIN_DAYS or not all(map(isfinite, series)):
        return None
    best = _ForecastRun(_FIRST, series, horizon)
    for candidate in (*_OTHERS, *further):
        run = run_if_able(candidate, series, horizon)
        if run is not None and run.error < _CLEARLY * best.error:
            best = run
    return best.forecast(series, horizon, interval)


def run_if_able(candidate: ForecastCandidate, series: Sequence[float], horizon: int) -> _ForecastRun | None:
    """Take a candidate over the series; None if it can't forecast it."""
    try:
        run = _ForecastRun(candidate, series, horizon)
    except (ArithmeticError, IndexError, ValueError):  # what River's models raise where a series doesn't suit them
        return None
    return run if all(map(isfinite, (*run.errors, *run.ahead))) else None


class _ForecastRun:
    """One candidate, taken over the series: its error for each day after the first week, and what it says next."""

    def __init__(self, candidate: ForecastCandidate, series: Sequence[float], horizon: int) -> None:
        model = candidate.make()
        self.name = candidate.name
        self.rhythm = WEEK in (getattr(model, "seasonality", 0), getattr(model, "m", 0))
        # SNARIMAX doesn't say how its errors grow: as those of a quick level.
        self._alpha = float(getattr(model, "alpha", _QUICK_ALPHA))
        self.errors: list[float] = []
        for day, value in enumerate(series):
            if day >= WEEK:
                self.errors.append(value - _at_least_0(model.forecast(1)[0]))
            model.learn_one(value)
        self.ahead = [_at_least_0(value) for value in model.forecast(horizon)]
        self.error = fmean(map(abs, self.errors))

    def forecast(self, series: Sequence[float], horizon: int, interval: float) -> Forecast:
        low, high = _quantiles(self.errors, interval)
        days = tuple(
            _expected(value, low * widening, high * widening)
            for value, widening in zip(self.ahead, self._widening(horizon), strict=True)
        )
        widening = sqrt(sum((1 + k * self._alpha) ** 2 for k in range(horizon)))
        half = NormalDist().inv_cdf((1 + interval) / 2) * hypot(*self.errors) / sqrt(len(self.errors)) * widening
        total = _expected(sum(self.ahead), -half, half)
        return Forecast(days, total, sum(series[-horizon:]), self.rhythm, self._backtest(series), self.name)

    def _widening(self, horizon: int) -> list[float]:
        """How much wider a day's interval is than that of the first, for each day."""
        return [sqrt(1 + ahead * self._alpha**2) for ahead in range(horizon)]

    def _backtest(self, series: Sequence[float]) -> Backtest:
        later = range(WEEK, len(series))
        return Backtest(
            origins=len(later),
            error=self.error,
            naive=fmean(abs(series[day] - series[day - 1]) for day in later),
            weekday=fmean(abs(series[day] - series[day - WEEK]) for day in later),
        )


def _quantiles(errors: Sequence[float], interval: float) -> tuple[float, float]:
    """Bounds that the next error lies between with that probability, if it is one like the others."""
    ordered, n = sorted(errors), len(errors)
    tail = (1 - interval) / 2
    lower = max(0, floor((n + 1) * tail) - 1)
    upper = min(n - 1, ceil((n + 1) * (1 - tail)) - 1)
    return min(0.0, ordered[lower]), max(0.0, ordered[upper])


def _at_least_0(value: float) -> float:
    return value if value > 0.0 or isnan(value) else 0.0


def _expected(value: float, low: float, high: float) -> Expected:
    return Expected(value, max(0.0, value + low), max(0.0, value + high))
