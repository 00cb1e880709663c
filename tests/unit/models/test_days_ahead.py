"""Forecasts of days: against naive ones, with intervals that hold what they say, and nothing said too early."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue
from river.time_series import HoltWinters

from ubi_stream.errors import ConfigError
from ubi_stream.models.forecast import (
    MAX_HORIZON,
    MIN_DAYS,
    WEEK,
    Forecast,
    LevelModel,
    Weekly,
    candidates_of,
    forecast,
)
from ubi_stream.packs.candidates import CandidateModel
from ubi_stream.packs.models import ForecastModel, ModelsSpec


def ahead(series: list[float], *, horizon: int = 7, interval: float = 0.8) -> Forecast:
    found = forecast(series, horizon=horizon, interval=interval)
    assert found is not None
    return found


def week(*values: float, times: int) -> list[float]:
    return list(values) * times


RHYTHM = week(0, 10, 10, 10, 10, 40, 90, times=4)


def test_level_is_rivers_once_both_know_the_same() -> None:
    local, rivers = LevelModel(alpha=0.3), HoltWinters(alpha=0.3)
    for value in (4.0,) * WEEK:  # a mean of two days or of seven: the same
        local.learn_one(value)
        rivers.learn_one(value)
    for value in (9.0, 1.0, 5.0):
        local.learn_one(value)
        rivers.learn_one(value)
    assert local.forecast(3) == rivers.forecast(3)


def test_a_weekly_rhythm_is_known_after_the_first_week_which_rivers_start_is_not() -> None:
    local, rivers = Weekly(), HoltWinters(alpha=0.1, beta=0.01, gamma=0.1, seasonality=WEEK)
    for value in RHYTHM[:WEEK]:
        local.learn_one(value)
        rivers.learn_one(value)
    assert local.forecast(WEEK) == pytest.approx(RHYTHM[:WEEK])
    assert abs(np.array(rivers.forecast(WEEK)) - RHYTHM[:WEEK]).mean() > 10


def test_a_rhythm_serves_where_there_is_one() -> None:
    found = ahead(RHYTHM)
    assert found.rhythm
    assert [day.value for day in found.days] == pytest.approx(RHYTHM[:WEEK])
    assert found.total.value == pytest.approx(found.recent) == 170
    assert found.backtest.error == pytest.approx(0, abs=1e-9)
    assert found.change == pytest.approx(0, abs=1e-9)


def test_a_level_serves_where_there_is_no_rhythm() -> None:
    days = np.random.default_rng(3).gamma(2.0, 20.0, 29).tolist()
    found = ahead(days)
    assert not found.rhythm
    assert len({day.value for day in found.days}) == 1
    assert found.backtest.error < min(found.backtest.naive, found.backtest.weekday)


def test_naive_errors_are_those_of_the_day_and_of_the_week_before() -> None:
    days = [float(n * n % 13) for n in range(20)]
    found = ahead(days)
    assert found.backtest.origins == 13
    assert found.backtest.naive == pytest.approx(np.mean([abs(b - a) for a, b in pairwise(days[6:])]))
    assert found.backtest.weekday == pytest.approx(np.mean([abs(days[n] - days[n - 7]) for n in range(7, 20)]))


def test_intervals_hold_what_they_say_of_independent_days() -> None:
    rng = np.random.default_rng(1)
    within, total, n = 0, 0, 0
    for _ in range(200):
        days = rng.gamma(1.5, 30.0, 36)
        found = ahead(days[:29].tolist())
        within += sum(day.low <= value <= day.high for day, value in zip(found.days, days[29:], strict=True))
        total += found.total.low <= days[29:].sum() <= found.total.high
        n += 1
    assert 0.78 <= within / (7 * n) <= 0.90
    assert 0.78 <= total / n <= 0.94


def test_after_an_unusual_week_the_usual_is_expected() -> None:
    days = [100.0, 110.0, 95.0, 105.0] * 5 + [90.0, 20.0, 180.0, 15.0, 12.0, 25.0, 18.0]
    found = ahead(days)
    assert found.recent == sum(days[-7:]) == 360
    assert found.total.value > 450
    assert 0.2 < found.change < 0.5
    assert found.backtest.skill > 0


def test_a_change_that_stays_is_followed_by_the_quick_level() -> None:
    found = ahead([100.0] * 15 + [10.0] * 14)
    assert found.total.value < 2 * found.recent
    slow = LevelModel()
    for value in [100.0] * 15 + [10.0] * 14:
        slow.learn_one(value)
    assert found.days[0].value < slow.forecast(1)[0] / 2


def test_nothing_at_all_stays_nothing() -> None:
    found = ahead([0.0] * 20)
    assert (found.total.value, found.total.high, found.change, found.backtest.skill) == (0, 0, 0, 0)


def test_growth_beyond_a_level_has_no_skill() -> None:
    assert ahead([100.0 * 1.5**n for n in range(20)]).backtest.skill <= 0


def test_a_wider_interval_is_wider_and_further_ahead_is_no_narrower() -> None:
    days = np.random.default_rng(5).normal(500, 60, 25).tolist()
    narrow, wide = ahead(days, interval=0.5), ahead(days, interval=0.9)
    assert wide.total.low < narrow.total.low < narrow.total.high < wide.total.high
    widths = [day.high - day.low for day in ahead(days, horizon=14).days]
    assert all(later >= sooner for sooner, later in pairwise(widths))


@pytest.mark.parametrize("days", [[1.0] * (MIN_DAYS - 1), [], [1.0] * 20 + [math.nan], [1.0] * 20 + [math.inf]])
def test_too_few_days_or_no_numbers_give_nothing(days: list[float]) -> None:
    assert forecast(days, horizon=7, interval=0.8) is None


@pytest.mark.parametrize(("horizon", "interval"), [(0, 0.8), (MAX_HORIZON + 1, 0.8), (7, 0.0), (7, 1.0)])
def test_wrong_questions_are_refused(horizon: int, interval: float) -> None:
    with pytest.raises(ValueError, match="expected 1 to"):
        forecast([1.0] * 20, horizon=horizon, interval=interval)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e12) | st.sampled_from([0.0, 1e-300, 1e12]), min_size=MIN_DAYS, max_size=30))
def test_any_days_give_ordered_numbers_that_are_not_negative_and_the_same_again(days: list[float]) -> None:
    found = ahead(days)
    for expected in (*found.days, found.total):
        assert 0 <= expected.low <= expected.high < math.inf
        assert expected.low <= expected.value <= expected.high
    assert ahead(days) == found


def test_of_somebody_who_buys_seldom_the_total_lies_within_an_interval_that_holds_what_it_says() -> None:
    rng = np.random.default_rng(4)
    within = []
    for share in rng.uniform(0.05, 0.3, 300):
        days = (rng.random(36) < share) * rng.gamma(2.0, 20.0, 36)
        found = ahead(days[:29].tolist())
        assert found.total.low <= found.total.value <= found.total.high
        within.append(found.total.low <= days[29:].sum() <= found.total.high)
    assert 0.76 <= np.mean(within) <= 0.92


UNUSUAL = [100.0, 110.0, 95.0, 105.0] * 5 + [90.0, 20.0, 180.0, 15.0, 12.0, 25.0, 18.0]
"""A week of a third less, and the usual is expected again."""


@pytest.mark.parametrize(
    ("days", "model", "worth"),
    [
        (UNUSUAL, ForecastModel(min_change=0.25), True),
        (UNUSUAL, ForecastModel(min_change=0.9), False),
        (UNUSUAL, ForecastModel(min_difference=1000), False),
        ([value / 100 for value in UNUSUAL], ForecastModel(min_difference=25), False),
        ([0.0, 0.0, 90.0, *[0.0] * 5] * 3, ForecastModel(), False),  # may as well be nothing
    ],
)
def test_only_a_large_change_that_is_foreseen_is_worth_reading(
    days: list[float], model: ForecastModel, worth: bool
) -> None:
    assert ahead(days).is_worth_reading(model) is worth


def with_models(*candidates: CandidateModel) -> ModelsSpec:
    return ModelsSpec(forecast=ForecastModel(), candidates=candidates)


def further(kind: str, **parameters: JsonValue) -> CandidateModel:
    return CandidateModel(task="forecast", name="mine", kind=kind, parameters=parameters)


def test_a_packs_model_serves_where_the_backtest_says_so() -> None:
    steps = [10.0] * 8 + [50.0] * 8 + [5.0] * 8 + [80.0] * 5
    latest = further("time_series.HoltWinters", alpha=0.99)
    found = forecast(steps, horizon=4, interval=0.8, further=candidates_of(with_models(latest)))
    assert found is not None
    assert found.model == "mine"
    assert [day.value for day in found.days] == pytest.approx([80.0] * 4, abs=0.1)
    assert ahead(steps).model == "quick"


def test_an_autoregression_competes_and_loses_to_a_rhythm_that_it_doesnt_know() -> None:
    regression = further("time_series.SNARIMAX", p=1, d=0, q=1)
    found = forecast(RHYTHM, horizon=7, interval=0.8, further=candidates_of(with_models(regression)))
    assert found == ahead(RHYTHM)
    assert found.model == "weekly"


def test_a_packs_model_that_cant_forecast_the_days_is_left_out() -> None:
    ratios = further("time_series.HoltWinters", alpha=0.3, beta=0.1, gamma=0.1, seasonality=7, multiplicative=True)
    days = [0.0] * 8 + [5.0] * 20
    found = forecast(days, horizon=7, interval=0.8, further=candidates_of(with_models(ratios)))
    assert found == forecast(days, horizon=7, interval=0.8)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("time_series.HoltWinters", {}), ("linear_model.LinearRegression", {}), ("drift.ADWIN", {})],
)
def test_what_cant_be_made_or_is_no_forecaster_is_refused(kind: str, parameters: dict[str, JsonValue]) -> None:
    with pytest.raises(ConfigError):
        candidates_of(with_models(further(kind, **parameters)))
