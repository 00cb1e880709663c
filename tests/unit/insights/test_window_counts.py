"""Five-minute counts: each pane told once, and partitions' counts add up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack
from support.streams import Stream
from ubi_stream.data.records import ProducerRecord
from ubi_stream.insights.model import WindowCount
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings

SEGMENTS = "users_by_segment"


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + round(minutes * MINUTE_MS), **fields)


def cells(windows: list[WindowCount], measure: str) -> dict[tuple[int, str], tuple[int, float]]:
    """Minute of the pane and key -> count and amount."""
    return {
        ((w.pane_start_ms - START_MS) // MINUTE_MS, w.key): (w.count, w.amount) for w in windows if w.measure == measure
    }


def users(windows: list[WindowCount], width_ms: int = 5 * MINUTE_MS) -> dict[tuple[int, str], int]:
    """Minute of the pane and segment -> users, of panes of one width."""
    return {key: count for key, (count, _) in cells([w for w in windows if w.pane_ms == width_ms], SEGMENTS).items()}


def test_a_pane_is_told_when_the_watermark_has_passed_its_end() -> None:
    #   |0 .... 4.9|5 ...      watermark = newest - 2
    runner = Runner()
    assert runner.run(at(0), at(4.9), at(6.9)).windows == []
    delivered = runner.run(at(7)).windows
    assert cells(delivered, "events") == {(0, "view"): (2, 0.0)}
    assert runner.run(at(8)).windows == []


def test_a_late_event_counts_until_its_pane_is_told() -> None:
    runner = Runner()
    runner.run(at(1), at(6.9), at(2))
    assert cells(runner.run(at(7)).windows, "events") == {(0, "view"): (2, 0.0)}
    assert runner.run(at(3), at(20)).windows != []
    assert all(w.pane_start_ms != START_MS for w in runner.run(at(40)).windows)


def test_money_is_that_of_purchases() -> None:
    runner = Runner()
    runner.run(at(0, price=5), at(1, event_type="purchase", price=2.5), at(2, event_type="purchase"))
    assert cells(runner.run(at(9)).windows, "events") == {(0, "view"): (1, 0.0), (0, "purchase"): (2, 2.5)}


def test_a_user_is_in_a_panes_segments_once() -> None:
    runner = Runner()
    runner.run(at(0), at(1), at(2), at(0.5), at(1, "u2"))
    assert users(runner.run(at(9)).windows) == {(0, "browser"): 1, (0, "passer_by"): 1}


def test_a_user_counts_under_the_present_segment_in_every_width() -> None:
    #   passer_by   browser (third event)      the hour and the day go on
    runner = Runner()
    runner.run(at(0), at(1), at(2))
    assert runner.partition.pipeline.windows.users_now(HOUR_MS) == (START_MS, {"passer_by": 0, "browser": 1})
    runner.run(at(3, event_type="purchase", price=50), at(3, "u2"))
    assert runner.partition.pipeline.windows.users_now(DAY_MS) == (
        START_MS,
        {"passer_by": 1, "browser": 0, "buyer": 1},
    )
    closed = runner.run(at(2 * 24 * 60)).windows
    for width_ms in (5 * MINUTE_MS, HOUR_MS, DAY_MS):
        assert users(closed, width_ms) == {(0, "passer_by"): 1, (0, "browser"): 0, (0, "buyer"): 1}


def test_a_late_event_moves_no_user_in_a_pane_where_the_segment_was_another() -> None:
    #   |4 passer_by | 6, 6.1 browser        4.5 comes late: it makes the user a buyer, today, not back then
    runner = Runner()
    runner.run(at(4), at(6), at(6.1), at(4.5, event_type="purchase", price=50))
    windows = runner.run(at(20)).windows
    assert users(windows) == {(0, "passer_by"): 1, (5, "passer_by"): 0, (5, "browser"): 1}


def test_open_counts_are_those_that_changed_and_closed_ones_replace_them() -> None:
    runner = Runner()
    runner.run(at(0), at(1, "u2"))
    counter = runner.partition.pipeline.windows
    first = counter.open_counts()
    assert {(count.pane_ms, count.measure, count.key, count.count) for count in first} == {
        (5 * MINUTE_MS, "events", "view", 2),
        (5 * MINUTE_MS, "users_by_segment", "passer_by", 2),
        (HOUR_MS, "users_by_segment", "passer_by", 2),
        (DAY_MS, "users_by_segment", "passer_by", 2),
    }
    assert not any(count.closed for count in first)
    assert counter.open_counts() == []
    runner.run(at(2))
    assert [(count.measure, count.count) for count in counter.open_counts()] == [("events", 3)]
    assert all(count.closed for count in runner.run(at(9)).windows)


def test_visits_and_their_funnel_count_by_class_with_their_revenue() -> None:
    runner = Runner()
    runner.run(at(0), at(1, event_type="cart"), at(0, "u2"), at(0, "u3"), at(1, "u3", event_type="purchase", price=4))
    windows = runner.run(at(60, "u4")).windows
    distribution = cells(windows, "segment_distribution")
    assert {key: cell for (_, key), cell in distribution.items()} == {
        "looking": (1, 0.0),
        "brief": (1, 0.0),
        "buying": (1, 4.0),
    }
    assert {key: cell for (_, key), cell in cells(windows, "conversion_funnel").items()} == {
        "looking/visit": (1, 0.0),
        "looking/interest": (1, 0.0),
        "looking/intent": (1, 0.0),
        "brief/visit": (1, 0.0),
        "brief/interest": (1, 0.0),
        "buying/visit": (1, 4.0),
        "buying/interest": (1, 0.0),
        "buying/conversion": (1, 4.0),
    }


def test_a_session_that_goes_on_counts_as_one_visit() -> None:
    runner = Runner()
    windows = runner.run(
        at(0, session_id="s"), at(30, session_id="s", event_type="purchase", price=4), at(90, "u2"), at(150, "u3")
    ).windows
    found = Counter[str]()
    for (_, key), (count, _) in cells(windows, "segment_distribution").items():
        found[key] += count
    assert found == {"brief": 2, "buying": 0}  # that of u2 is one of them


def test_types_that_the_pack_keeps_are_one_key() -> None:
    runner = Runner(probe_pack(('unknown = "dead_letter"', 'unknown = "keep"')))
    runner.run(at(0, event_type="ring"), at(1, event_type="knock"))
    assert cells(runner.run(at(9)).windows, "events") == {(0, "other"): (2, 0.0)}


def test_two_partitions_add_up_to_one() -> None:
    """Of a stream in order of time; lateness differs by partition, as each has a watermark of its own."""
    stream = [item for item in Stream(5).contents(300) if item[1] is not None]
    ordered = sorted(stream, key=lambda item: item[2])
    closing = [(user.encode(), at(60 * 24 * 60, user)) for user in (f"end-{n}" for n in range(20))]

    def sums(partitions: int) -> Counter[tuple[int, str, str]]:
        run = OfflineRun(_without_lateness(), Settings(partitions=partitions), now_ms=START_MS + 10**11)
        records = [ProducerRecord(key, value) for key, value, _ in ordered if key not in (None, b"another")]
        records += [ProducerRecord(key, _json(content)) for key, content in closing]
        total: Counter[tuple[int, str, str]] = Counter()
        numbers = set()
        for effects in run.run(records):
            for w in effects.windows:
                numbers.add(w.partition)
                if w.entity == "user" and w.measure in ("events", SEGMENTS):
                    total[w.pane_start_ms, f"{w.measure}/{w.pane_ms}", w.key] += w.count
        assert numbers == set(range(partitions))
        return total

    assert sums(2) == sums(1)
    assert {measure.partition("/")[0] for _, measure, _ in sums(1)} == {"events", SEGMENTS}


def _without_lateness() -> Any:
    return probe_pack(("lateness_min = 2", "lateness_min = 1440"))


def _json(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)
