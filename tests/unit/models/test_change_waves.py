"""Many users who change their habits at once are one wave, and their own changes are held back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from ubi_stream.features.stage import Featurized
from ubi_stream.models.change_waves import ChangeWatch
from ubi_stream.models.rate_change import HabitChange
from ubi_stream.rules.waves import RuleWave
from ubi_stream.state.panes import DAY_MS

UP = HabitChange("visits", "visits", "up", 3, 4, 9.0, 3.0, 4.0)


def day(number: int, users: int) -> Featurized:
    """A batch in which the days of so many users are looked at."""
    changes = [SimpleNamespace(entity_id=f"u{user}", at_ms=number * DAY_MS + 1000 * user) for user in range(users)]
    batch: Any = SimpleNamespace(changes=changes, histories=dict.fromkeys(range(users)))
    return cast("Featurized", batch)


def ordinary(watch: ChangeWatch, days: int) -> Iterator[RuleWave]:
    """Days on which one user of a hundred changes; the waves, of which there should be none."""
    for number in range(days):
        waves, changes = watch.run(day(number, 100), {number % 100: UP})
        assert not any(change.held for change in changes.values())
        yield from (wave for found in waves.values() for wave in found)


def test_a_sale_is_one_wave_and_the_users_own_changes_are_held_back_while_it_lasts() -> None:
    watch = ChangeWatch()
    assert list(ordinary(watch, 20)) == []
    half = dict.fromkeys(range(0, 100, 2), UP)
    waves, changes = watch.run(day(20, 100), half)
    [[wave]] = waves.values()
    assert (wave.rule, wave.begins, wave.value) == ("up", True, 3.0)
    assert wave.met <= 12
    assert sum(change.held for change in changes.values()) >= 40
    waves, changes = watch.run(day(21, 100), half)
    assert waves == {}
    assert all(change.held for change in changes.values())


def test_users_who_change_one_by_one_are_no_wave() -> None:
    assert list(ordinary(ChangeWatch(), 60)) == []
