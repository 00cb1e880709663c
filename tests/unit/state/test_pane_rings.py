"""Windows of panes: 12 of 5 minutes, 24 of 1 hour, 30 of 1 day."""

from __future__ import annotations

from support.folding import fold_all
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.state.panes import MAX_MICROS, PaneRing, amount_of, count_of, events_of

FIVE_MS = 5 * MINUTE_MS


def test_an_event_at_a_panes_start_is_in_it_and_one_at_its_end_in_the_next() -> None:
    #   00:00                00:05
    #   |*        ...       *|*
    state = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + FIVE_MS - 1), event(at_ms=START_MS + FIVE_MS))
    first = START_MS // FIVE_MS
    assert {pane: events_of(cell) for pane, cell in state.minutes.panes.items()} == {first: 2, first + 1: 1}
    assert state.minutes.head == first + 1


def test_a_pane_expires_when_its_ring_has_gone_round() -> None:
    #   00:00 ... 00:55   01:00
    #   |* 12 panes kept |*       the first one falls out
    kept = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + 11 * FIVE_MS))
    gone = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + 12 * FIVE_MS))
    assert events_of(kept.minutes.total) == 2
    assert events_of(gone.minutes.total) == 1
    assert events_of(gone.hours.total) == 2


def test_each_ring_expires_at_its_own_width() -> None:
    for ring, width_ms, length in (("minutes", FIVE_MS, 12), ("hours", HOUR_MS, 24), ("days", DAY_MS, 30)):
        kept = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + length * width_ms - 1))
        gone = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + length * width_ms))
        assert events_of(getattr(kept, ring).total) == 2, ring
        assert events_of(getattr(gone, ring).total) == 1, ring
        assert len(getattr(gone, ring).panes) == 1, ring


def test_a_late_event_counts_in_its_own_pane() -> None:
    #   00:00   00:05   00:10
    #   |* *    |       |*        the second comes last
    state = fold_all(event(at_ms=START_MS), event(at_ms=START_MS + 2 * FIVE_MS), event(at_ms=START_MS + 1))
    first = START_MS // FIVE_MS
    assert {pane: events_of(cell) for pane, cell in state.minutes.panes.items()} == {first: 2, first + 2: 1}
    assert state.late == 0


def test_an_event_before_the_origin_of_all_panes_is_only_counted_as_late() -> None:
    #   day 0                          day 30
    #   |* (too late for 30 days)      |*
    state = fold_all(event(at_ms=START_MS + 30 * DAY_MS), event(at_ms=START_MS))
    assert state.late == 1
    assert events_of(state.days.total) == 1
    assert state.events == 2


def test_an_event_too_late_for_minutes_still_counts_in_hours_and_days() -> None:
    state = fold_all(event(at_ms=START_MS + 3 * HOUR_MS), event(at_ms=START_MS))
    assert [events_of(ring.total) for ring in (state.minutes, state.hours, state.days)] == [1, 2, 2]
    assert state.late == 0


def test_the_last_seven_days_are_part_of_the_thirty() -> None:
    state = fold_all(*(event(at_ms=START_MS + day * DAY_MS) for day in range(10)))
    assert events_of(state.days.last(7)) == 7
    assert events_of(state.days.last(1)) == 1
    assert events_of(state.days.last(30)) == events_of(state.days.total) == 10


def test_counts_and_money_are_kept_by_type() -> None:
    state = fold_all(
        event(event_type="view", price=9.0),
        event(event_type="purchase", price=0.1),
        event(event_type="purchase", price=0.2),
    )
    assert count_of(state.hours.total, (0,)) == 1
    assert count_of(state.hours.total, (2,)) == 2
    assert count_of(state.hours.total, (0, 2, 30)) == 3
    assert amount_of(state.hours.total) == 0.3  # exact: whole millionths are added, not floats


def test_an_empty_sum_has_nothing() -> None:
    ring = PaneRing()
    assert (events_of(ring.total), amount_of(ring.total), ring.last(5)) == (0, 0.0, [])


def test_money_stays_within_what_can_be_written() -> None:
    ring = PaneRing()
    for pane in range(6):
        ring.add(pane, 3, 0, 2**62)
        ring.add(pane, 3, 0, 2**62)
    assert ring.total[0] <= MAX_MICROS
    ring.add(100, 3, 0, 0)
    assert -MAX_MICROS <= ring.total[0] <= MAX_MICROS
    assert events_of(ring.total) == 1
