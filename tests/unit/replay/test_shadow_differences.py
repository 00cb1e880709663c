"""What counts as the same insight, and what of the differences is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from support.sink_rows import insight_row
from ubi_stream.replay.shadow import ComparedCounts, PositionWindow, Shadow, TimeWindow, comparable


def test_each_insight_is_the_same_or_changed_or_on_one_side() -> None:
    with Shadow() as shadow:
        same, changed, more = (insight_row(number) for number in (1, 2, 3))
        for row in (same, changed, more, more):
            shadow.add(comparable(row))
        assert shadow.compare(comparable(same)) is None
        difference = shadow.compare(comparable(insight_row(2, score=0.25, model_version="another", trace_id="another")))
        assert difference is not None
        assert (difference.difference, difference.live, difference.shadow) == (
            "changed",
            {"score": 0.25},
            {"score": changed.score},
        )
        missing = shadow.compare(comparable(insight_row(4)))
        assert missing is not None
        assert (missing.difference, missing.shadow) == ("missing", None)
        assert shadow.compare(comparable(insight_row(4))) is None, "delivered twice"
        (additional,) = shadow.finish()
        assert (additional.difference, additional.id, additional.live) == ("additional", more.id, None)
        (counts,) = shadow.kinds.values()
    assert counts == ComparedCounts(
        live=3, shadow=3, same=1, changed=1, missing=1, additional=1, changed_fields={"score": 1}
    )


@pytest.mark.parametrize(("offset", "inside"), [(9, False), (10, True), (19, True), (20, False)])
def test_a_window_of_positions_goes_by_the_causing_event(offset: int, inside: bool) -> None:
    window = PositionWindow("ubi.events", {0: 10}, {0: 20})
    row = insight_row(1, source_topic="ubi.events", source_partition=0, source_offset=offset)
    assert (row in window) is inside
    assert insight_row(1, source_topic="ubi.events", source_partition=1, source_offset=offset) not in window
    assert insight_row(1, source_topic="other", source_partition=0, source_offset=15) not in window


@pytest.mark.parametrize(
    ("window", "inside"),
    [((None, None), True), ((1_000, 1_001), True), ((1_001, None), False), ((None, 1_000), False)],
)
def test_a_window_of_time_goes_by_what_the_insight_is_about(window: tuple[Any, Any], inside: bool) -> None:
    assert (insight_row(1, at=datetime.fromtimestamp(1, UTC)) in TimeWindow(*window)) is inside
