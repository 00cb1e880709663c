"""The streams of the faults: spoiled as they say, and the same for the same seed."""

from __future__ import annotations

from benchmarks.faults import inputs
from benchmarks.faults.oracle_events import Happening, read_event
from benchmarks.faults.oracle_rules import Rules
from benchmarks.faults.scenarios import CONTROL, FULL, QUICK, SOAK
from benchmarks.faults.topics import LogRecord
from ubi_stream.resources import config_dir

SHOP = Rules.read(config_dir() / "packs" / "ecommerce.toml")
ARRIVED_MS = inputs.START_MS + 90 * 86_400_000


def test_wrong_clocks_cancel_out_where_the_sender_says_when_it_sent() -> None:
    straight = inputs.shoppers(2_000, seed=1)
    skewed = list(inputs.with_skewed_clocks(straight, seed=1))
    last_ms = max(record.time_ms or 0 for record in straight)
    read = [read_event(LogRecord("e", 0, 0, ARRIVED_MS, r.key, r.value, ()), SHOP) for r in skewed]
    lost = [happening for happening in read if happening == "time_in_future"]
    assert 5 < len(lost) < 50
    for record, happening in zip(straight, read, strict=True):
        if isinstance(happening, Happening):
            assert happening.time_ms == ARRIVED_MS - last_ms + (record.time_ms or 0)
    assert sum(isinstance(happening, Happening) for happening in read) == len(read) - len(lost)


def test_streams_are_the_same_for_the_same_seed_alone() -> None:
    for make in (inputs.shoppers, inputs.payments):
        assert make(300, 1) == make(300, 1)
        assert make(300, 1) != make(300, 2)
    records = inputs.shoppers(300, 1)
    for spoil in (inputs.with_wrong_keys, inputs.with_skewed_clocks):
        assert list(spoil(records, 1)) == list(spoil(records, 1))
        assert list(spoil(records, 1)) != list(spoil(records, 2))


def test_a_scenario_is_known_by_its_name() -> None:
    for scenarios in (FULL, QUICK):
        names = [scenario.name for scenario in (*scenarios, CONTROL)] + [SOAK]
        assert len(set(names)) == len(names)
        assert not any("|" in scenario.name + scenario.how for scenario in scenarios)  # they are cells of a table
