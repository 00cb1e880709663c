"""What `ubi segments` and `ubi visit` show fits a terminal of 80 columns, and says when there is nothing yet."""

from __future__ import annotations

from typing import Any

from rich.console import Console, RenderableType

from ubi_stream.cli.commands.segments import _one, _shown

FUNNEL: dict[str, Any] = {
    "behavior_segment": "engaged_shopper",
    "total_sessions": 1_234_567,
    "unique_users": 987_654,
    "total_views": 12_345_678,
    "total_carts": 420_000,
    "total_purchases": 180_000,
    "total_revenue": 85_432_000.5,
}
VISIT: dict[str, Any] = {
    "user_id": "u-1",
    "user_session": "s-42",
    "behavior_segment": "power_user",
    "segment_color": "blue",
    "session_start": "2026-11-21T10:00:00Z",
    "session_end": "2026-11-21T10:48:30Z",
    "session_duration_minutes": 48.5,
    "total_events": 47,
    "view_count": 38,
    "cart_count": 2,
    "purchase_count": 2,
    "unique_products": 33,
    "unique_categories": 9,
    "total_amount": None,
    "engagement_rate": 0.97,
    "cart_conversion_rate": 5.26,
    "purchase_conversion_rate": 100.0,
    "criteria_met": ["session_depth >= 30", "session_duration_min >= 30", "session_depth >= 10"],
    "segment": None,
    "recommendations": ["Show them what is new a day before everybody else"],
}


def text_of(shown: RenderableType) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()


def test_shares_and_classes_fit_80_columns() -> None:
    shares = [
        {"segment": "power_user", "count": 1_234_567, "share": 0.75},
        {"segment": "new", "count": 411_522, "share": 0.25},
    ]
    visits = {"funnel": [FUNNEL], "since": "2026-11-20T10:00:00Z", "until": "2026-11-21T10:00:00Z"}
    text = text_of(_shown({"users": {"distribution": shares}, "visits": visits}))
    assert max(map(len, text.splitlines())) <= 80
    assert all(part in text for part in ("power user", "75%", "█" * 15, "engaged shopper", "85,432,000.50"))


def test_a_visit_fits_80_columns_and_says_all() -> None:
    text = text_of(_one(VISIT))
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("s-42  u-1  power user")
    for part in ("38, 2, 2", "33, 9", "0.97", "session_duration_min >= 30", "- Show them what is new"):
        assert part in text


def test_before_anything_it_says_what_to_wait_for() -> None:
    text = text_of(_shown({"users": {"distribution": []}, "visits": {"funnel": []}}))
    assert text.startswith("Nobody yet")
