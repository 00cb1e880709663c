"""How good are forecasts of users' days? Rolling origins over what they really did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean

from ubi_stream.data.readers import open_rows
from ubi_stream.features.days import MAX_DAYS
from ubi_stream.mappings.specs import FileSpec
from ubi_stream.models.forecast import Forecast, forecast
from ubi_stream.packs.models import ForecastModel

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Backtested:
    """Forecasts beside what came. Errors are mean absolute ones, in the series' unit.

    Attributes
    ----------
    users, origins, abstained
        How many; `abstained` are origins with too few active days.
    day, day_naive, day_weekday
        Error of a day within the horizon; of saying the last day again; of the same day of the last week.
    total, total_naive
        Error of all days together; of saying what as many days before came to.
    day_within, total_within
        Share of days, of totals, within their intervals.
    told, told_nearer
        Share of forecasts that would be told; share of those that came nearer than the days before did.
    """

    users: int
    origins: int
    abstained: int
    day: float
    day_naive: float
    day_weekday: float
    total: float
    total_naive: float
    day_within: float
    total_within: float
    told: float
    told_nearer: float

    def as_dict(self) -> dict[str, float]:
        """All figures by name."""
        return asdict(self)


def daily_sums(path: Path, *, user: str, time: str, amount: str | None, limit: int | None = None) -> list[list[float]]:
    """What each user did each day of a file: sums of the column `amount`, or rows.

    Parameters
    ----------
    user, time, amount
        Columns; `time` is in seconds since 1970.
    limit
        Only so many users, the first ones.

    Raises
    ------
    ConfigError
        The file can't be read, or lacks a column.
    """
    columns = {user: "the user", time: "the time"} | ({amount: "the amount"} if amount else {})
    sums: dict[str, dict[int, float]] = {}
    with open_rows(path, FileSpec(), columns) as reader:
        for row in reader:
            if row.values is None:
                continue
            days = sums.setdefault(str(row.values[user]), {})
            day = int(float(row.values[time])) // DAY_S
            days[day] = days.get(day, 0.0) + (float(row.values[amount]) if amount else 1.0)
    first = min(min(days) for days in sums.values())
    last = max(max(days) for days in sums.values())
    return [[days.get(day, 0.0) for day in range(first, last + 1)] for days in islice(sums.values(), limit)]


def backtest(users: Sequence[Sequence[float]], model: ForecastModel) -> Backtested:
    """Forecast each user's days from as many as a state keeps, once a horizon, and compare.

    A user whose days were too few is left out of the errors, and counted.
    """
    pairs: list[tuple[Forecast, Sequence[float], Sequence[float]]] = []
    origins = 0
    for days in users:
        for known, coming in _origins(days, model.horizon_days):
            origins += 1
            found = forecast(known, horizon=model.horizon_days, interval=model.interval)
            if found is not None and sum(value > 0 for value in known) >= model.min_days:
                pairs.append((found, known, coming))
    return Backtested(users=len(users), origins=origins, abstained=origins - len(pairs), **_figures(pairs, model))


def _origins(days: Sequence[float], horizon: int) -> Iterator[tuple[Sequence[float], Sequence[float]]]:
    for today in range(MAX_DAYS, len(days) - horizon + 1, horizon):
        yield days[today - MAX_DAYS : today], days[today : today + horizon]


def _figures(
    pairs: list[tuple[Forecast, Sequence[float], Sequence[float]]], model: ForecastModel
) -> Mapping[str, float]:
    horizon = model.horizon_days
    days = [
        (expected, actual, known[-1], known[len(known) - 7 + ahead % 7])
        for found, known, coming in pairs
        for ahead, (expected, actual) in enumerate(zip(found.days, coming, strict=True))
    ]
    totals = [(found, sum(coming), sum(known[-horizon:])) for found, known, coming in pairs]
    told = [(found, actual, before) for found, actual, before in totals if found.is_worth_reading(model)]
    return {
        "day": _mean(abs(expected.value - actual) for expected, actual, _, _ in days),
        "day_naive": _mean(abs(last - actual) for _, actual, last, _ in days),
        "day_weekday": _mean(abs(weekday - actual) for _, actual, _, weekday in days),
        "total": _mean(abs(found.total.value - actual) for found, actual, _ in totals),
        "total_naive": _mean(abs(before - actual) for _, actual, before in totals),
        "day_within": _mean(expected.low <= actual <= expected.high for expected, actual, _, _ in days),
        "total_within": _mean(found.total.low <= actual <= found.total.high for found, actual, _ in totals),
        "told": len(told) / len(totals) if totals else float("nan"),
        "told_nearer": _mean(abs(found.total.value - actual) < abs(before - actual) for found, actual, before in told),
    }


def _mean(values: Iterator[float]) -> float:
    found = list(values)
    return fmean(found) if found else float("nan")
