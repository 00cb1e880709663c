"""Forecasts beside what came: which days are compared, what is left out, and what they come to on card payments."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.forecasts import backtest, daily_sums
from support.public_data import public_file
from ubi_stream.packs.models import ForecastModel

WEEK = ForecastModel(min_days=14)


def test_a_steady_user_is_forecast_without_error() -> None:
    found = backtest([[10.0] * 50], WEEK)
    assert (found.users, found.origins, found.abstained) == (1, 3, 0)  # days 29, 36 and 43
    assert (found.day, found.day_naive, found.total, found.total_naive) == (0, 0, 0, 0)
    assert (found.day_within, found.total_within, found.told) == (1, 1, 0)


def test_baselines_are_the_day_and_the_week_before() -> None:
    days = [float(day % 7) for day in range(36)]  # its last known day is a 0, its week repeats
    found = backtest([days], WEEK)
    assert found.day_weekday == 0
    assert found.day_naive == pytest.approx(sum(days[29:36]) / 7 - 0)
    assert found.total_naive == 0


def test_users_with_few_days_are_left_out_and_counted() -> None:
    found = backtest([[10.0] * 50, [0.0] * 40 + [5.0] * 10], WEEK)
    assert (found.users, found.origins, found.abstained) == (2, 6, 3)
    assert found.day == 0


def test_rows_become_days_of_each_user(tmp_path: Path) -> None:
    day = 86_400
    (tmp_path / "paid.csv").write_text(f"who,at,sum\na,{day},5\nb,{3 * day},2\na,{day + 9},1.5\na,{2 * day},1\n")
    paid = daily_sums(tmp_path / "paid.csv", user="who", time="at", amount="sum")
    assert paid == [[6.5, 1, 0], [0, 0, 2]]
    assert daily_sums(tmp_path / "paid.csv", user="who", time="at", amount=None, limit=1) == [[2, 1, 0]]


def test_card_payments_are_forecast_better_than_by_saying_the_same_again() -> None:
    file = public_file("card_transactions_2018-06-17_07-31.csv.gz")
    users = daily_sums(file, user="customer_id", time="ts", amount="amount", limit=400)
    found = backtest(users, WEEK)
    assert found.day < 0.8 * min(found.day_naive, found.day_weekday)
    assert found.total < 0.9 * found.total_naive
    assert 0.78 <= found.day_within <= 0.90  # nominal: 0.8
    assert 0.78 <= found.total_within <= 0.93
    assert found.told_nearer > 0.6
