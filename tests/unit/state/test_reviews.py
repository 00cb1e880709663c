"""Each day that is over is looked at once, in event time, without an event of the user."""

from __future__ import annotations

import pytest

from support.folding import Runner, make_partition
from support.habits import FIRST_DAY, days_of, habit_pack, in_order
from support.probe import DAY_MS, HOUR_MS, record
from ubi_stream.features.stage import Featurized, Featurizer
from ubi_stream.state.model import UserState
from ubi_stream.state.reviews import GOES_ON_DAYS, MIN_KNOWN_DAYS, review_ms


@pytest.fixture
def reviewed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Users and days that were looked at, in order."""
    found: list[tuple[str, int]] = []
    real = Featurizer.featurize

    def listen(self: Featurizer, changes: object) -> Featurized:
        batch = real(self, changes)  # type: ignore[arg-type]  # it is passed on as it came
        found.extend((m.entity_id, m.reviewed - FIRST_DAY) for m in batch.changes if m.reviewed >= 0)
        return batch

    monkeypatch.setattr(Featurizer, "featurize", listen)
    return found


def test_a_day_is_looked_at_in_the_first_hour_after_it_once_habits_are_known(reviewed: list[tuple[str, int]]) -> None:
    runner = Runner(habit_pack())
    runner.run(*in_order(days_of("u", [1] * 30), days_of("clock", [24] * 20)))
    assert [day for user, day in reviewed if user == "u"] == list(range(MIN_KNOWN_DAYS, 29))


def test_one_who_stops_is_looked_at_for_two_weeks(reviewed: list[tuple[str, int]]) -> None:
    Runner(habit_pack()).run(*in_order(days_of("u", [1] * 20), days_of("clock", [1] * 60)))
    days = [day for user, day in reviewed if user == "u"]
    assert days == list(range(MIN_KNOWN_DAYS, 19 + GOES_ON_DAYS + 1))


def test_a_leap_of_time_leaves_no_day_out(reviewed: list[tuple[str, int]]) -> None:
    Runner(habit_pack()).run(*in_order(days_of("u", [1] * 20), days_of("late", [1], first=50)))
    assert [day for user, day in reviewed if user == "u"] == list(range(MIN_KNOWN_DAYS, 19 + GOES_ON_DAYS + 1))


def test_without_the_model_no_day_is_looked_at(reviewed: list[tuple[str, int]]) -> None:
    pack = habit_pack()
    quiet = pack.model_copy(update={"models": pack.models.model_copy(update={"change": None})})
    Runner(quiet).run(*days_of("u", [1] * 30))
    assert reviewed == []


@pytest.mark.parametrize("cut", [25, 55, 80, 85])
def test_a_restart_looks_at_each_day_once(reviewed: list[tuple[str, int]], cut: int) -> None:
    events = in_order(days_of("u", [1] * 24), days_of("clock", [2] * 45))
    records = [record(content, offset) for offset, content in enumerate(events)]
    Runner(habit_pack()).run_records(records)
    whole = list(reviewed)
    reviewed.clear()
    states: dict[bytes, bytes] = {}
    before = make_partition(habit_pack(), states=states)
    before.pipeline.run(records[:cut], forwarded=False)
    chunks, _ = before.take_checkpoint()
    make_partition(habit_pack(), states=states, chunks=dict(chunks)).pipeline.run(records[cut:], forwarded=False)
    assert sorted(reviewed) == sorted(whole)


def test_reviews_of_many_are_spread_over_an_hour() -> None:
    due = {review_ms(UserState(first_ms=FIRST_DAY * DAY_MS + 1000 * n), FIRST_DAY) for n in range(5000)}
    assert all((FIRST_DAY + 1) * DAY_MS <= each < (FIRST_DAY + 1) * DAY_MS + HOUR_MS for each in due)
    assert len(due) == 3600
