"""Five-minute counts: each pane told once, and partitions' counts add up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from support.folding import Runner
from support.probe import MINUTE_MS, START_MS, event, probe_pack
from support.streams import Stream
from ubi_stream.insights.model import WindowCount
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.settings import Settings


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + round(minutes * MINUTE_MS), **fields)


def cells(windows: list[WindowCount], measure: str) -> dict[tuple[int, str], tuple[int, float]]:
    """Minute of the pane and key -> count and amount."""
    return {
        ((w.pane_start_ms - START_MS) // MINUTE_MS, w.key): (w.count, w.amount) for w in windows if w.measure == measure
    }


def test_a_pane_is_told_when_the_watermark_has_passed_its_end() -> None:
    #   |0 .... 4.9|5 ...      watermark = newest - 2
    runner = Runner()
    assert runner.run(at(0), at(4.9), at(6.9)).windows == []
    told = runner.run(at(7)).windows
    assert cells(told, "events") == {(0, "view"): (2, 0.0)}
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
    assert cells(runner.run(at(9)).windows, "segment_distribution") == {(0, "passer_by"): (2, 0.0)}


def test_the_funnel_counts_visits_by_the_steps_they_reached() -> None:
    runner = Runner()
    runner.run(at(0), at(1, event_type="cart"), at(0, "u2"), at(0, "u3"), at(1, "u3", event_type="purchase", price=1))
    windows = runner.run(at(60, "u4")).windows
    funnel = Counter({key: count for (_, key), (count, _) in cells(windows, "conversion_funnel").items()})
    assert funnel == {
        "passer_by/visit": 3,
        "passer_by/interest": 3,
        "passer_by/intent": 1,
        "passer_by/conversion": 1,
    }


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
                if w.entity == "user" and w.measure != "conversion_funnel":
                    total[w.pane_start_ms, w.measure, w.key] += w.count
        assert numbers == set(range(partitions))
        return total

    assert sums(2) == sums(1)
    assert {measure for _, measure, _ in sums(1)} == {"events", "segment_distribution"}


def _without_lateness() -> Any:
    return probe_pack(("lateness_min = 2", "lateness_min = 1440"))


def _json(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content)
