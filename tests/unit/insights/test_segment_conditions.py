"""Conditions of segments and rules: when they hold, and how clearly."""

from __future__ import annotations

import numpy as np
import pytest

from support.folding import Runner
from support.probe import MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.features.registry import select_features
from ubi_stream.features.stage import Matrix
from ubi_stream.packs.segments import Condition, Segment
from ubi_stream.rules.conditions import Checks, Conditions
from ubi_stream.rules.frequency import FrequencyTable
from ubi_stream.rules.segments import Segments

# `session_slowdown` lies between 0 and 1 on a linear scale, `events_5m` between 0 and 300 on a logarithmic one.
FEATURES = select_features(("session_slowdown", "events_5m"), "paned")


def conditions(*items: tuple[str, str, float]) -> Conditions:
    return Conditions([Condition(feature=f, op=op, value=v) for f, op, v in items], FEATURES)


def holds(one: Conditions, rows: Matrix) -> list[bool]:
    return [held for (held,) in Checks([one]).hold(rows).tolist()]


def row(fatigue: float, events: float = 1.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([fatigue, events])


def test_all_must_hold_and_a_missing_one_does_not() -> None:
    both = conditions(("session_slowdown", ">", 0.5), ("events_5m", "<=", 3))
    rows = np.array([[0.6, 3.0], [0.6, 4.0], [0.5, 1.0], [np.nan, 1.0]])
    assert holds(both, rows) == [True, False, False, False]
    assert holds(conditions(("session_slowdown", "!=", 0.5)), np.array([[np.nan, 0.0]])) == [False]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (">", [False, False, True, True]),
        (">=", [False, True, True, True]),
        ("<", [True, False, False, False]),
        ("<=", [True, True, False, False]),
        ("==", [False, True, False, False]),
        ("!=", [True, False, True, True]),
    ],
)
def test_neighbours_of_the_threshold_and_infinity_are_told_apart(op: str, expected: list[bool]) -> None:
    here = [np.nextafter(0.5, 0.0), 0.5, np.nextafter(0.5, 1.0), np.inf]
    assert holds(conditions(("session_slowdown", op, 0.5)), np.array([[value, 0.0] for value in here])) == expected


def test_lists_are_checked_side_by_side() -> None:
    lists = [conditions(("events_5m", ">", 2), ("events_5m", "<", 5)), conditions(), conditions(("events_5m", "!=", 3))]
    rows = np.array([[0.0, 3.0], [0.0, 4.0], [0.0, 9.0]])
    assert Checks(lists).hold(rows).tolist() == [[True, True, False], [True, True, True], [False, True, True]]
    assert Checks(lists).hold(rows[:0]).shape == (0, 3)


def test_no_conditions_hold_for_everybody() -> None:
    assert holds(conditions(), np.array([[np.nan, np.nan]])) == [True]
    assert conditions().margin(row(0.5)) == 0.0


@pytest.mark.parametrize(
    ("op", "value", "here", "margin"),
    [
        (">", 0.5, 0.75, 0.25),
        (">=", 0.5, 0.25, -0.25),
        ("<", 0.5, 0.25, 0.25),
        ("<=", 0.5, 0.75, -0.25),
        ("==", 0.5, 0.5, 1.0),
        ("==", 0.5, 0.4, -1.0),
        ("!=", 0.5, 0.4, 1.0),
        (">", 0.5, np.nan, -1.0),
    ],
)
def test_a_margin_is_a_share_of_the_features_range(op: str, value: float, here: float, margin: float) -> None:
    assert conditions(("session_slowdown", op, value)).margin(row(here)) == pytest.approx(margin)


def test_on_a_logarithmic_scale_ratios_count() -> None:
    over = conditions(("events_5m", ">", 9))
    assert over.margin(row(0, 99)) == pytest.approx(np.log(100 / 10) / np.log(301))


def test_the_weakest_condition_decides() -> None:
    both = conditions(("session_slowdown", ">", 0.5), ("events_5m", ">", 9))
    assert both.margin(row(0.6, 200)) == pytest.approx(0.1)


class TestRunnerUp:
    """Of `tired`, `busy` and everybody else."""

    tired = Segment(name="tired", when=(Condition(feature="session_slowdown", op=">", value=0.5),))
    busy = Segment(name="busy", when=(Condition(feature="events_5m", op=">", value=9),))
    at_night = Segment(name="at_night", when=(Condition(feature="session_slowdown", op="==", value=0.9),))
    others = Segment(name="others")

    def runner_up(self, name: str, fatigue: float, events: float = 1.0, *segments: Segment) -> str | None:
        return Segments(
            segments or [self.tired, self.busy, self.others], FEATURES, FrequencyTable(), dormant_ms=1
        ).runner_up(name, row(fatigue, events))

    def test_one_that_holds_too_is_next(self) -> None:
        assert self.runner_up("tired", 0.9, 200) == "busy"

    def test_one_that_does_not_hold_is_next_before_the_one_for_everybody_else(self) -> None:
        assert self.runner_up("tired", 0.9, 1) == "busy"
        assert self.runner_up("busy", 0.1, 200) == "tired"

    @pytest.mark.parametrize(("fatigue", "events", "nearest"), [(0.45, 1, "tired"), (0.1, 8, "busy")])
    def test_shares_of_the_features_ranges_are_compared(self, fatigue: float, events: float, nearest: str) -> None:
        # 0.05 of the range of fatigue is nearer than log(2 / 10) of that of events; 0.4 is further than log(9 / 10)
        assert self.runner_up("others", fatigue, events) == nearest

    def test_a_missing_value_and_another_than_the_one_asked_for_are_out_of_reach(self) -> None:
        assert self.runner_up("busy", np.nan, 200) == "others"
        assert self.runner_up("busy", 0.8, 200, self.at_night, self.busy, self.others) == "others"
        assert self.runner_up("others", np.nan, 1, self.tired, self.others) is None

    def test_without_others_there_is_none(self) -> None:
        assert self.runner_up("tired", 0.9, 1, self.tired) is None


def test_a_pack_that_compares_nobody_with_themselves_still_finds_anomalies() -> None:
    pack = probe_pack(
        ('"bounce_rate", "amount_z", "burstiness",', '"bounce_rate",'), ("features = true", "features = false")
    )
    runner = Runner(pack)
    effects = runner.run(*(event(f"u{n % 3}", START_MS + n * MINUTE_MS) for n in range(80)))
    assert effects.tally.accepted.total() == 80
    assert effects.features == []
    ensemble = runner.partition.models.anomaly
    assert ensemble is not None
    assert len(ensemble.own_columns) == 0
    assert ensemble.blend.ready
