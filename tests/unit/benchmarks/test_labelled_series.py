"""Alarms against labelled windows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.series import COOL_DOWN_S, Found, Series, alarms, chance, judge, read_series
from ubi_stream.errors import ConfigError

HOUR = 3_600.0


def hourly(n: int, *windows: tuple[int, int]) -> Series:
    times = tuple(hour * HOUR for hour in range(n))
    return Series("test", times, (0.0,) * n, tuple((start * HOUR, end * HOUR) for start, end in windows))


def scores(n: int, *high: int) -> list[float]:
    return [1.0 if position in high else 0.5 for position in range(n)]


def test_nothing_is_alarmed_in_probation_nor_during_cool_down() -> None:
    # 200 hours: probation 30. Scores are high at 10, 40, 41, 63, 64 and 100; a day of cool-down.
    assert COOL_DOWN_S == 24 * HOUR
    assert alarms(hourly(200), scores(200, 10, 40, 41, 63, 64, 100)) == [40, 64, 100]


def test_windows_include_both_ends() -> None:
    series = hourly(200, (50, 60), (100, 110), (150, 160))
    assert judge(series, [50, 110, 161]) == Found(found=2, windows=3, false_alarms=1, points=200)


def test_two_alarms_in_a_window_find_it_once() -> None:
    assert judge(hourly(200, (50, 90)), [55, 80]) == Found(1, 1, 0, 200)


def test_no_alarm_finds_nothing_and_random_ones_find_wide_windows() -> None:
    series = hourly(200, (30, 199))
    assert judge(series, []).found == 0
    assert chance(series, 3) == 1.0
    assert chance(series, 0) == 0.0


def test_totals_add_up() -> None:
    total = Found(1, 2, 3, 1_000) + Found(1, 1, 0, 500)
    assert total == Found(2, 3, 3, 1_500)
    assert total.per_thousand == 2.0


def test_series_are_read_with_their_windows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,value\n2014-07-01 00:00:00,5\n2014-07-01 01:00:00,7.5\n")
    windows = '{"a.csv": [["2014-07-01 00:30:00.000000", "2014-07-01 02:00:00.000000"]]}'
    (tmp_path / "anomaly_windows.json").write_text(windows)
    (series,) = read_series(tmp_path)
    assert series.values == (5.0, 7.5)
    assert [example.y for example in series.examples()] == [False, True]
    assert series.times_s[1] - series.times_s[0] == HOUR


def test_a_time_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,value\nyesterday,5\n")
    (tmp_path / "anomaly_windows.json").write_text('{"a.csv": []}')
    with pytest.raises(ConfigError, match="time 'yesterday'"):
        read_series(tmp_path)


def test_missing_windows_are_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"anomaly_windows\.json, can't be read"):
        read_series(tmp_path)
