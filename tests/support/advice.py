"""A pack whose segments have several recommendations and whose users have forecasts, and weeks of events for it."""

from __future__ import annotations

from random import Random
from typing import Any

from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.schema import Pack

ADVICE_TOML = """
name = "advice"
version = 1
description = "Two segments with several recommendations, and a forecast a week"

[events]
types = ["view", "purchase"]

[events.roles]
amount = "price"
amount_types = ["purchase"]
category = "category"
interest_types = ["view"]
conversion_types = ["purchase"]

[times]
session_gap_min = 30
dormant_after_days = 3
retention_days = 60

[[entities]]
name = "user"
windows = "paned"
features = ["session_depth", "events_24h", "conversions_30d"]

[[segments]]
name = "dormant"
silent = true
[[segments.recommendations]]
action = "write"
text = "Write to them"
priority = 3
score = 0.4
[[segments.recommendations]]
action = "call"
text = "Call them"
priority = 1
score = 0.4

[[segments]]
name = "looker"
hold_h = 0
when = [{ feature = "session_depth", op = ">=", value = 2 }]
[[segments.recommendations]]
action = "guide"
text = "Guide them"
priority = 2
score = 0.5
[[segments.recommendations]]
action = "wait"
text = "Let them look"
priority = 2
score = 0.5

[[segments]]
name = "passer_by"
hold_h = 0

[models.forecast]
min_days = 10
min_change = 0.05

[models.bandit]
policy = "LinUCBDisjoint"
context = ["session_depth", "events_24h"]
explore = 0.2
reward = "conversion"
horizon_h = 2

[outputs]
recommendations = "insights"
sessions = "none"
"""


def advice_pack(*replacements: tuple[str, str]) -> Pack:
    """The pack, after replacing parts of its text."""
    text = ADVICE_TOML
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} is in the pack's text {text.count(old)} times"
        text = text.replace(old, new)
    return parse_pack(text, where="advice")


def weeks(seed: int, *, users: int = 3, days: int = 33) -> list[dict[str, Any]]:
    """Events of users who come on most days, in the order of their arrival: a few late, some far apart."""
    draw = Random(seed)
    found: list[tuple[int, dict[str, Any]]] = []
    for number in range(users):
        mean = draw.uniform(10, 80)
        for day in range(days):
            if draw.random() < 0.2:
                continue
            at_ms = START_MS + day * DAY_MS + draw.randrange(20) * HOUR_MS
            for step in range(draw.choice([1, 2, 3])):
                at_ms += draw.randrange(10) * MINUTE_MS
                late_ms = draw.randrange(1, 40) * HOUR_MS if draw.random() < 0.05 else 0
                fields: dict[str, Any] = {"event_id": f"{number}-{day}-{step}"}
                if draw.random() < 0.5:
                    fields |= {"price": round(draw.expovariate(1 / mean), 2), "category": draw.choice("abcdef")}
                kind = "purchase" if "price" in fields else "view"
                found.append((at_ms, event(f"u{number}", at_ms - late_ms, kind, **fields)))
    return [content for _, content in sorted(found, key=lambda pair: pair[0])]
