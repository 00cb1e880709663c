"""How rare an alert is among the users of a day: counted, from a prior on."""

from __future__ import annotations

import pytest

from ubi_stream.models.anomaly.daily_peaks import PRIOR_DAYS, DailyPeaks


def test_before_anything_was_counted_the_score_itself_says_how_rare_it_is() -> None:
    peaks = DailyPeaks()
    assert peaks.days == 0
    assert 35 < peaks.one_in(1 / 3) < 70  # a hundredth of the events, two of them a day
    assert 150 < peaks.one_in(2 / 3) <= PRIOR_DAYS  # more than is counted can't be said


def test_what_is_counted_takes_the_place_of_the_prior() -> None:
    peaks = DailyPeaks()
    for day in range(10_000):
        peaks.begin_day()
        if day % 100 == 0:
            peaks.raise_to(0.5)
    assert peaks.one_in(0.5) == pytest.approx(100, rel=0.15)
    assert peaks.one_in(0.55) > 1_000


def test_an_entity_counts_once_a_day_with_its_strongest() -> None:
    once, often = DailyPeaks(), DailyPeaks()
    for peaks in (once, often):
        for _ in range(1_000):
            peaks.begin_day()
    before = 0
    for score in (0.4, 0.45, 0.6, 0.5, 0.6):
        before = often.raise_to(score, before)
    once.raise_to(0.6)
    assert [often.one_in(score) for score in (0.3, 0.45, 0.6, 0.7)] == [
        once.one_in(score) for score in (0.3, 0.45, 0.6, 0.7)
    ]


def test_a_second_alert_of_a_day_is_as_rare_as_the_first_was() -> None:
    peaks = DailyPeaks()
    for _ in range(1_000):
        peaks.begin_day()
    first = peaks.one_in(0.6)
    before = peaks.raise_to(0.6)
    assert peaks.one_in(0.6, before) == pytest.approx(first)
    assert peaks.one_in(0.6) < first  # of another entity
    assert peaks.one_in(0.7, before) == peaks.one_in(0.7)  # stronger than what was counted


def test_old_days_fade() -> None:
    peaks = DailyPeaks()
    for _ in range(200):
        peaks.begin_day()
        peaks.raise_to(0.6)
    for _ in range(40_000):
        peaks.begin_day()
    assert peaks.one_in(0.6) > 400  # without fading 202
    assert PRIOR_DAYS < peaks.days == 40_200


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_the_ends_of_the_scale_have_a_class(score: float) -> None:
    peaks = DailyPeaks()
    assert peaks.raise_to(score) >= 1
    assert peaks.one_in(score) >= 1
