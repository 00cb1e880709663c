"""The race counts right, and everybody runs the same core."""

from __future__ import annotations

import json
import math
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.race import progress, stages
from benchmarks.race.contest import ALL, BARE_LOOP, PRODUCT, QUIX, STOCK_FAUST
from benchmarks.race.core import BorrowedStates, Core, Message
from benchmarks.race.heats import Plan
from benchmarks.race.inputs import shoppers
from benchmarks.race.latency import Latency, Quantiles
from benchmarks.race.load import SentTimes
from benchmarks.race.report import Heat, Results, as_markdown, summary, write
from benchmarks.race.sampling import Course, Sample
from benchmarks.race.states import sample_states
from ubi_stream.events.model import Record
from ubi_stream.settings import Settings
from ubi_stream.state.codec import decode_state

MIB = 2**20


def records(events: int) -> list[Record]:
    source = enumerate(shoppers(events, 40))
    return [Record("e", 0, offset, 1_900_000_000_000, found.key, found.value) for offset, found in source]


def test_a_rate_leaves_out_the_start_and_the_end_that_nobody_saw() -> None:
    # at      0   1    2     3     4 s     start-up, then 100 events a second and 0.5 s of processor each second
    # events  0   0  100   200   250      the last ones were done somewhere between 3 s and 4 s
    counts = (0, 0, 100, 200, 250)
    samples = [Sample(float(at), events, at * 0.5, (at + 1) * MIB) for at, events in enumerate(counts)]
    course = Course(samples, started_s=-1.0)
    assert course.events_per_s == 100
    assert course.cpu_s_per_million == 5_000
    assert course.start_up_s == 3
    assert course.peak_mb == 5


def test_quantiles_are_in_milliseconds() -> None:
    quantiles = Quantiles.of([number / 1000 for number in range(100)])
    assert (quantiles.count, quantiles.p50, quantiles.p95, quantiles.p99) == (100, 50, 95, 99)
    assert math.isnan(Quantiles.of([]).p95)


def test_an_offset_was_sent_with_its_batch() -> None:
    sent = SentTimes()
    sent.note(1, 10, 0.5)
    sent.note(1, 13, 0.75)
    assert [sent.of(1, offset) for offset in (9, 10, 12, 13, 99)] == [None, 0.5, 0.5, 0.75, 0.75]
    assert sent.of(0, 10) is None


def test_what_a_contestant_counts_is_what_we_read(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    progress.create(path)
    counted = progress.Progress(path)
    counted.add()
    counted.add(41)
    assert progress.read(path) == 42


def test_one_event_at_a_time_over_lent_states_gives_what_chunks_give() -> None:
    events, chunked = records(4_500), Core(Settings(), 0, {})
    expected: list[Message] = []
    for start in range(0, len(events), 256):
        expected += chunked.process(events[start : start + 256])
    states, framework = BorrowedStates(), dict[bytes, bytes]()
    core = Core(Settings(state_cache_users=1), 0, states)
    found: list[Message] = []
    for event in events:
        assert event.key is not None
        states.key, states.value = event.key, framework.get(event.key)
        found += core.process([event])
        core.write_states()
        assert states.value is not None
        framework[event.key] = states.value
    assert found == expected
    assert len(found) > 20
    assert framework.keys() == dict(states).keys()


def test_stages_add_up() -> None:
    costs = stages.measure(Settings(), shoppers(300, 40), 300, 64)
    assert sum(cost for name, cost in costs.items() if name != "all") == pytest.approx(costs["all"])
    assert costs["decode, validate"] > 0


def test_states_that_are_restored_are_real_and_of_the_size_that_is_asked_for() -> None:
    small, large = sample_states(Settings(), 0), sample_states(Settings(), 100_000)
    assert max(map(len, small)) < min(map(len, large))
    assert all(decode_state(blob)[1].events for blob in (*small, *large))


def heat(contestant: str, number: int, per_s: float) -> Heat:
    return Heat(contestant, "shop", number, 1_000, per_s, 80.0, 200.0, 3.0, 4.0)


def test_ratios_are_of_runs_of_one_round_and_failures_have_none(tmp_path: Path) -> None:
    results = Results(machine="a machine")
    results.heats = [heat(PRODUCT.key, 0, 9_000), heat(PRODUCT.key, 1, 8_000)]
    results.heats += [heat(STOCK_FAUST.key, 0, 1_000), heat(STOCK_FAUST.key, 1, 2_000), heat(BARE_LOOP.key, 1, 4_000)]
    results.heats.append(Heat(QUIX.key, "shop", 0, 1_000, note="it ended by itself"))
    results.latency = [
        Latency(1, 5_000, Quantiles(9, 10.0, 20.0, 30.0), Quantiles(9, 1, 2, 3), Quantiles(9, 1, 2, 3), 0, 0.5)
    ]
    assert summary(results) == {
        "events_per_second": 8_500,
        "vs_stock_faust": 6.5,
        "vs_quix": None,
        "vs_bytewax": None,
        "vs_bare_loop": 2.0,
        "p95_event_to_insight_ms": 20.0,
    }
    table = as_markdown(results)
    assert "| stock Faust | 1,000 | 1,500 (1,000–2,000) | 6.50 (4.00–9.00) |" in table  # noqa: RUF001 - a range
    assert "it ended by itself" in table
    write(results, tmp_path)
    assert json.loads((tmp_path / "race.json").read_text())["heats"][-1]["events_per_s"] is None
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")


def test_a_smaller_race_is_smaller_for_everybody() -> None:
    plan = Plan(events=1_000, others_events=500, users=50, rounds=3, restart=True)
    assert plan.changed(events=100, rounds=1) == Plan(100, 100, 50, 1, restart=True)
    assert plan.changed() == plan


def test_the_stream_is_the_same_each_time_and_unequal() -> None:
    first = list(islice(shoppers(2_000, 200), 2_000))
    assert first == list(shoppers(2_000, 200))
    by_user = sorted((sum(one.key == key for one in first) for key in {one.key for one in first}), reverse=True)
    assert by_user[0] > 5 * by_user[len(by_user) // 2]


def test_everybody_has_a_name_of_their_own() -> None:
    assert len({contestant.key for contestant in ALL}) == len({contestant.name for contestant in ALL}) == len(ALL)
