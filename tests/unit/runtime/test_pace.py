"""A pass takes as many events as its time allows."""

from __future__ import annotations

import pytest

from support.lanes import Broker, make_lane, outcome, process, stream
from ubi_stream.clock import ManualClock
from ubi_stream.effects import Effects
from ubi_stream.runtime.isolate import Batch
from ubi_stream.runtime.pace import LEAST_EVENTS, Pace


def settled(event_ms: float, pass_ms: float = 0.0, *, most_events: int = 256) -> int:
    """Size of a pass after many full ones that cost so much."""
    pace = Pace(most_events=most_events, longest_s=0.020)
    for _ in range(50):
        pace.took(pace.events, (pass_ms + event_ms * pace.events) / 1000)
    return pace.events


@pytest.mark.parametrize(
    ("event_ms", "pass_ms", "size"),
    [(0.05, 0.0, 256), (0.2, 0.0, 100), (0.2, 2.0, 90), (5.0, 0.0, LEAST_EVENTS)],
    ids=["quick", "slow", "each pass costs", "very slow"],
)
def test_size_follows_the_time_of_an_event(event_ms: float, pass_ms: float, size: int) -> None:
    assert settled(event_ms, pass_ms) == pytest.approx(size, abs=2)


def test_never_more_than_allowed() -> None:
    assert settled(5.0, most_events=4) == 4
    assert settled(0.001, most_events=10_000) <= 10_000


def test_one_pass_that_was_held_up_does_not_set_the_size() -> None:
    pace = Pace(most_events=256, longest_s=0.020)
    pace.took(256, 0.010)
    pace.took(256, 0.200)
    held_up = pace.events
    for _ in range(10):
        pace.took(pace.events, 0.00004 * pace.events)
    assert held_up > LEAST_EVENTS
    assert pace.events > 200


def test_small_passes_say_nothing_about_large_ones() -> None:
    pace = Pace(most_events=256, longest_s=0.020)
    before = pace.events
    for _ in range(100):
        pace.took(1, 0.002)
    assert pace.events == before


async def test_a_slow_core_gets_smaller_passes_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    records = stream(5, 400)
    quick, slow = Broker(), Broker()
    undisturbed = make_lane(quick)
    await process(undisturbed, records)

    clock = ManualClock()
    held_up = make_lane(slow, clock=clock)
    sizes: list[int] = []
    run = held_up._run

    def slowly(batch: Batch) -> tuple[list[Effects], Batch]:
        sizes.append(len(batch.records))
        clock.advance_ms(sizes[-1])  # a millisecond an event
        return run(batch)

    monkeypatch.setattr(held_up, "_run", slowly)
    await process(held_up, records)

    await undisturbed.barrier()
    await held_up.barrier()
    assert sizes[0] == 256
    assert LEAST_EVENTS <= max(sizes[1:]) < 100
    assert sum(sizes) == len(records)
    assert outcome(slow, held_up) == outcome(quick, undisturbed)
