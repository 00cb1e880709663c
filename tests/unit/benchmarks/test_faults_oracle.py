"""The oracle says what the documents say, counted here by hand; and the comparison sees every kind of difference."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import pytest

from benchmarks.faults.breaking import slope_per_life
from benchmarks.faults.compare import Verdict, compare_figures, compare_insights, compare_letters
from benchmarks.faults.engine import Result
from benchmarks.faults.oracle import Expected, Visits, Window, expected
from benchmarks.faults.oracle_rules import Rules
from benchmarks.faults.reference import Reference
from benchmarks.faults.report import BEGIN, END, as_json, with_table
from benchmarks.faults.scenarios import QUICK
from benchmarks.faults.topics import Delivered, LogRecord
from ubi_stream.resources import config_dir

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 20_000 * DAY
SHOP = Rules.read(config_dir() / "packs" / "ecommerce.toml")
CARDS = Rules.read(config_dir() / "packs" / "payments.toml")


def log_of(*values: bytes | None) -> list[LogRecord]:
    return [LogRecord("e", 0, n, START + 60 * DAY, b"u", value, ()) for n, value in enumerate(values)]


def event(at_ms: int, event_type: str = "view", **fields: Any) -> bytes:
    return json.dumps({"event_time": START + at_ms, "event_type": event_type, "user_id": "u", **fields}).encode()


def test_windows_of_panes_reach_back_from_the_newest_event() -> None:
    # 0 .. 40 h: view | 47 h 50: purchase | 48 h 03: view | 48 h 04: view, twice the same
    bought = event(47 * HOUR + 50 * MINUTE, "purchase", properties={"price": 12.5})
    twice = event(48 * HOUR + 4 * MINUTE, event_id="a")
    result = expected(log_of(event(0), bought, event(48 * HOUR + 3 * MINUTE), twice, twice), SHOP)
    figures = result.figures["user"]["u"]
    assert (figures.events, result.accepted, result.duplicates, figures.conversions) == (4, 4, 1, 1)
    assert figures.windows == {
        "5m": Window((("view", 2),), 0),
        "1h": Window((("purchase", 1), ("view", 2)), 12_500_000),
        "24h": Window((("purchase", 1), ("view", 2)), 12_500_000),
        "7d": Window((("purchase", 1), ("view", 3)), 12_500_000),
        "30d": Window((("purchase", 1), ("view", 3)), 12_500_000),
    }
    assert figures.visits == Visits(ended=1, bounces=1, converted=0, current=3)


def test_a_label_counts_where_its_payment_is_in_the_terminals_delayed_window() -> None:
    paid = {"terminal_id": "t", "tx_id": "x1", "amount": 3}
    values = [
        event(0, "payment", properties=paid),
        event(3 * DAY, "$label", properties={"terminal_id": "t", "tx_id": "x1", "fraud": True}),
        event(7 * DAY, "payment", properties=paid | {"tx_id": "x2"}),
    ]
    figures = expected(log_of(*values), CARDS).figures
    assert figures["terminal"]["t"].windows["1d"] == Window((("payment", 1),), 3_000_000, bad=1)
    assert figures["terminal"]["t"].visits is None
    assert figures["user"]["u"].windows["7d"] == Window((("payment", 1),), 3_000_000, bad=0)
    assert figures["user"]["u"].labels == 1


def test_visits_are_left_out_where_events_come_two_ways() -> None:
    straight = log_of(event(0), event(MINUTE))
    forwarded = dataclasses.replace(straight[1], key=None)
    assert expected(straight, SHOP).figures["user"]["u"].visits == Visits(0, 0, 0, current=2)
    assert expected([straight[0], forwarded], SHOP).figures["user"]["u"].visits is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b'{"a":', "malformed_json"),
        (b'{"a": NaN}', "malformed_json"),
        (b'{"event_type": "\xff"}', "malformed_json"),
        (b'{"a": "\\ud800"}', "malformed_json"),
        (b'{"a": 1e999}', "malformed_json"),
        (b"[1]", "wrong_type"),
        (b'{"a":' + b"[" * 9 + b"]" * 9 + b"}", "too_deep"),
        (b'"' + b"x" * 140_000 + b'"', "too_large"),
        (event(0, user_id=None), "missing_field"),
        (event(0, user_id=[1]), "wrong_type"),
        (event(0, user_id="x" * 257), "too_large"),
        (event(0, properties={"x": "y" * 33_000}), "too_large"),
        (event(0, "nonsense"), "unknown_event_type"),
        (event(0, event_time="soon"), "invalid_value"),
        (event(62 * DAY), "time_in_future"),
        (event(-8000 * DAY), "time_too_old"),
        (event(0, user_id="  "), "missing_field"),
        (event(0, user_id="undefined"), "missing_field"),
        (event(0, "purchase", properties={"price": "19,90"}), "invalid_value"),
        (event(0, "purchase", properties={"price": [1]}), "wrong_type"),
        (event(0, properties={"price": -1}), "invalid_value"),
        (event(0, properties={"latency_ms": "slow"}), "invalid_value"),
    ],
)
def test_each_dead_letter_has_the_reason_of_the_documents(value: bytes | None, reason: str) -> None:
    assert expected(log_of(value), SHOP).dead_letters == {"e-0-0": reason}


def clean() -> tuple[Expected, Delivered, Reference]:
    wanted = expected(log_of(event(0), event(1000, "purchase"), b"poison"), SHOP)
    delivered = Delivered(
        topic_insights={"i": {b"content"}},
        topic_letters=dict(wanted.dead_letters),
        insights=[("i", "row")],
        letters=dict(wanted.dead_letters),
        windows={("user", 0): (2, 0.0)},
    )
    return wanted, delivered, Reference({"i": b"content"}, {"i": "row"}, {("user", 0): (2, 0.0)})


def verdict_of(wanted: Expected, found: Any, delivered: Delivered, reference: Reference | None) -> Verdict:
    verdict = Verdict()
    compare_figures(verdict, wanted, found)
    compare_letters(verdict, wanted, delivered)
    compare_insights(verdict, delivered, reference)
    return verdict


def test_no_difference_is_clean() -> None:
    wanted, delivered, reference = clean()
    assert verdict_of(wanted, wanted.figures, delivered, reference) == Verdict()
    assert verdict_of(wanted, wanted.figures, delivered, None).clean


@pytest.mark.parametrize(("events", "verdict"), [(1, Verdict(lost=1)), (4, Verdict(doubled=2))])
def test_events_too_few_or_too_many_are_counted(events: int, verdict: Verdict) -> None:
    wanted, delivered, reference = clean()
    found = {"user": {"u": dataclasses.replace(wanted.figures["user"]["u"], events=events)}}
    assert verdict_of(wanted, found, delivered, reference) == verdict


def test_an_entity_that_is_missing_or_invented_is_counted() -> None:
    wanted, delivered, reference = clean()
    found = {"user": {"v": wanted.figures["user"]["u"]}}
    assert verdict_of(wanted, found, delivered, reference) == Verdict(lost=2, doubled=2)


def test_windows_and_visits_that_differ_are_counted() -> None:
    wanted, delivered, reference = clean()
    figures = wanted.figures["user"]["u"]
    wrong = dataclasses.replace(figures, windows=figures.windows | {"7d": Window((), 0)}, visits=None)
    delivered.windows["user", 1] = (1, 0.0)
    delivered.visits["v"] = "u|s|browser|3"
    assert verdict_of(wanted, {"user": {"u": wrong}}, delivered, reference) == Verdict(wrong_windows=4)


def test_insights_and_dead_letters_that_differ_are_counted() -> None:
    wanted, delivered, reference = clean()
    delivered.topic_insights = {"i": {b"other"}, "j": {b"x"}}
    delivered.insights = [("i", "row"), ("i", "another row")]
    delivered.letters = {"good": "malformed_json"}
    found = verdict_of(wanted, wanted.figures, delivered, reference)
    assert found == Verdict(lost=1, insights_missing=1, insights_doubled=3, dead_letters_missing=1)
    assert verdict_of(wanted, wanted.figures, delivered, None).insights_missing == 1


def test_memory_that_grows_from_life_to_life_has_a_slope() -> None:
    assert slope_per_life([100.0, 102.0, 104.0, 106.0]) == pytest.approx(2.0)
    assert slope_per_life([100.0, 104.0, 96.0, 104.0, 100.0]) == pytest.approx(0.0)
    assert slope_per_life([100.0, 200.0]) == 0.0


def test_the_last_line_has_the_sums_and_the_longest_recovery() -> None:
    results = [
        Result(QUICK[0], 10, Verdict(lost=1), recovery_s=2.5, seconds=9.0, exits=Counter()),
        Result(QUICK[1], 20, Verdict(lost=2, doubled=3), recovery_s=1.0, seconds=9.0, exits=Counter(), failure="x"),
    ]
    assert json.loads(as_json(results)) == {
        "scenarios": 2,
        "events": 30,
        "lost": 3,
        "doubled": 3,
        "wrong_windows": 0,
        "insights_missing": 0,
        "insights_doubled": 0,
        "dead_letters_missing": 0,
        "max_recovery_seconds": 2.5,
    }


def test_a_page_keeps_the_rows_of_scenarios_that_did_not_run() -> None:
    first, second, third = (
        Result(QUICK[number], 10 * (number + 1), Verdict(lost=number), recovery_s=number, seconds=9.0, exits=Counter())
        for number in range(3)
    )
    order = [scenario.name for scenario in QUICK]
    page = with_table(f"before\n{BEGIN}\nold\n{END}\nafter", [third], order)
    page = with_table(page, [first], order)
    page = with_table(page, [dataclasses.replace(second, failure="it did not end")], order)
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")][2:]
    assert rows == ["| worker killed", "| broker restarted (not finished)", "| Postgres killed"]
    assert '"scenarios": 3, "events": 60, "lost": 3,' in page
    assert "old" not in page
    page = with_table(page, [second], order)
    assert "not finished" not in page
    assert with_table(page, [third], order) == page
