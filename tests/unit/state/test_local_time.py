"""The user's clock."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import DAY_MS, HOUR_MS, START_MS
from ubi_stream.state import local_time
from ubi_stream.state.local_time import hour_at, utc_offset_min


def local_hour(time_ms: int, context: dict[str, Any], default: str | None = None) -> int | None:
    offset_min = utc_offset_min(time_ms, context, default)
    return None if offset_min is None else hour_at(time_ms, offset_min)


@pytest.mark.parametrize(
    ("context", "hour"),
    [
        ({}, None),
        ({"utc_offset_min": 120}, 0),
        ({"utc_offset_min": -330}, 16),
        ({"utc_offset_min": 0, "timezone": "Asia/Tokyo"}, 22),
        ({"timezone": "Asia/Tokyo"}, 7),
        ({"timezone": "America/New_York"}, 17),
        ({"utc_offset_min": True, "timezone": "Asia/Tokyo"}, 7),
        ({"utc_offset_min": 100_000}, None),
        ({"utc_offset_min": "120"}, None),
        ({"timezone": "Nowhere/City"}, None),
        ({"timezone": "../../etc/passwd"}, None),
        ({"timezone": "America"}, None),
        ({"timezone": ""}, None),
        ({"timezone": "a\x00b"}, None),
        ({"timezone": "x" * 5000}, None),
        ({"timezone": 7}, None),
    ],
)
def test_the_hour_is_known_from_the_event_or_not_at_all(context: dict[str, Any], hour: int | None) -> None:
    assert local_hour(START_MS - 2 * HOUR_MS, context) == hour


def test_a_pack_may_know_the_zone_of_events_that_name_none() -> None:
    assert local_hour(START_MS, {}, "Asia/Tokyo") == 9
    assert local_hour(START_MS, {"utc_offset_min": 0}, "Asia/Tokyo") == 0
    assert local_hour(START_MS, {"timezone": "Nowhere/City"}, "Asia/Tokyo") == 9


def test_the_hour_follows_daylight_saving() -> None:
    summer_ms = START_MS - 100 * DAY_MS
    assert local_hour(START_MS, {"timezone": "Europe/Berlin"}) == 1
    assert local_hour(summer_ms, {"timezone": "Europe/Berlin"}) == 2


def test_names_of_zones_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_time, "_zones", {})
    monkeypatch.setattr(local_time, "_MAX_ZONES", 10)
    for n in range(35):
        utc_offset_min(START_MS, {"timezone": f"Nowhere/{n}"})
        assert len(local_time._zones) <= 10
