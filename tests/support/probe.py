"""A small pack that uses everything the core has, and records for it: for tests that look for trouble."""

from __future__ import annotations

from typing import Any

import msgspec

from ubi_stream.events.model import Headers, Record
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.schema import Pack

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
START_MS = 1_700_006_400_000
"""2023-11-15 00:00 UTC."""
EVENTS_TOPIC = "ubi.events"

PROBE_TOML = """
name = "probe"
version = 1
description = "Sessions, silences, dormancy, retention, alerts, rules, forwards and labels in little time"

[events]
types = ["view", "cart", "purchase"]
unknown = "dead_letter"

[events.roles]
amount = "price"
amount_types = ["purchase"]
latency = "latency_ms"
category = "category"
item = "product_id"
interest_types = ["view"]
intent_types = ["cart"]
conversion_types = ["purchase"]
reference = "order_id"
outcome = "bad"

[times]
session_gap_min = 10
lateness_min = 2
dormant_after_days = 0.25
retention_days = 1
dedup_window_h = 24
dedup_max_ids = 30

[[entities]]
name = "user"
windows = "paned"
features = [
  "events_5m", "events_1h", "events_24h", "amount_24h", "last_amount", "session_depth", "session_intents",
  "recency_s", "last_latency_ms", "rolling_latency_ms", "bounce_rate", "amount_z", "burstiness",
]
anomaly_features = ["events_1h", "last_amount", "session_depth", "recency_s", "rolling_latency_ms"]

[[entities]]
name = "shop"
key = "shop_id"
types = ["purchase", "$label"]
windows = "exact"
delay_days = 0.125
features = ["exact_count_1d", "exact_bad_share_1d", "last_amount", "recency_s", "amount_z"]

[[segments]]
name = "dormant"
silent = true
[segments.recommendation]
action = "win_back"
text = "Write to them"
priority = 3
score = 0.4

[[segments]]
name = "buyer"
hold_h = 0
when = [{ feature = "amount_24h", op = ">", value = 20 }]
[segments.recommendation]
action = "thank"
text = "Say thank you"
priority = 1
score = 0.7

[[segments]]
name = "browser"
hold_h = 0
when = [{ feature = "session_depth", op = ">=", value = 3 }]

[[segments]]
name = "passer_by"
hold_h = 0

[[visit_classes]]
name = "buying"
color = "green"
score = 75
priority = 1
when = [{ feature = "session_conversions", op = ">=", value = 1 }]
recommendations = ["Say thank you"]

[[visit_classes]]
name = "brief"
color = "red"
score = 25
priority = 3
when = [{ feature = "session_depth", op = "<", value = 3 }, { feature = "session_intents", op = "==", value = 0 }]

[[visit_classes]]
name = "looking"
color = "yellow"
score = 50
priority = 2

[[rules]]
name = "slow"
severity = "high"
summary = "It took {last_latency_ms:.0f} ms"
cool_down_min = 30
when = [{ feature = "last_latency_ms", op = ">", value = 2000 }]

[[rules]]
name = "deep"
severity = "low"
summary = "{session_depth:.0f} steps"
cool_down_min = 0
when = [{ feature = "session_depth", op = ">=", value = 8 }]

[[outcomes]]
name = "buys_in_visit"
by = "visit"
types = ["purchase"]
warm_up = 4
min_per_class = 1
tell_above = 0.3
cool_down_min = 5

[[outcomes]]
name = "buys_soon"
by = "event"
types = ["purchase"]
within_h = 0.75

[[outcomes]]
name = "comes_back"
by = "return"
within_h = 2
warm_up = 4
min_per_class = 1

[[outcomes]]
name = "bad"
by = "label"
within_h = 1
max_open = 3

[models]
budget_us = 1000

[models.anomaly]
trees = 5
height = 4
window = 20
alert_rate = 0.1
warm_up = 30
min_entity_events = 3
low_one_in = 1
medium_one_in = 3
high_one_in = 20
cool_down_min = 20

[[models.candidates]]
name = "line"
outcome = "buys_in_visit"
kind = "line"

[[models.candidates]]
name = "bayes"
outcome = "buys_in_visit"
kind = "naive-bayes"
features = ["session_depth", "session_intents"]
share = 0.5

[[models.candidates]]
name = "blend"
outcome = "comes_back"
kind = "blend"

[models.change]
factor = 2.0
info_z = 1.0
z = 2.0
min_visits = 4
cool_down_min = 60

[outputs]
features = true
recommendations = "insights"
sessions = "all"
"""

FURTHER_MODELS = """
[models.forecast]
target = "events"
min_days = 2
every_days = 1
min_change = 0.0

[[models.candidates]]
task = "anomaly"
name = "loda"
kind = "anomaly.LODA"
parameters = { n_random_cuts = 10 }

[[models.candidates]]
task = "anomaly"
name = "trees_of_river"
kind = "anomaly.HalfSpaceTrees"
parameters = { n_trees = 4, height = 4, window_size = 20 }
features = ["events_1h", "session_depth"]
share = 0.5

[[models.candidates]]
task = "anomaly"
name = "one_figure"
kind = "anomaly.GaussianScorer"
parameters = { grace_period = 10 }
features = ["events_1h"]

[[models.candidates]]
task = "change"
name = "steps"
kind = "drift.PageHinkley"
parameters = { min_instances = 2, threshold = 0.02, delta = 0.001 }
features = ["events_1h"]

[[models.candidates]]
task = "change"
name = "worse"
kind = "drift.KSWIN"
parameters = { window_size = 8, stat_size = 3, alpha = 0.4 }
outcome = "buys_in_visit"

[[models.candidates]]
task = "forecast"
name = "autoregression"
kind = "time_series.SNARIMAX"
parameters = { p = 2, d = 0, q = 1 }
"""
"""A model more for each task but classification, for a pack with `[models.drift]`."""


def probe_pack(*replacements: tuple[str, str]) -> Pack:
    """The pack, after replacing parts of its text."""
    text = PROBE_TOML
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} is in the pack's text {text.count(old)} times"
        text = text.replace(old, new)
    return parse_pack(text, where="probe")


def event(user_id: str = "u1", at_ms: int = START_MS, event_type: str = "view", **fields: Any) -> dict[str, Any]:
    """An event as a producer writes it; fields that no event has become properties."""
    known = {"event_id", "session_id", "context", "sent_at", "trace_id", "properties"}
    own = {name: value for name, value in fields.items() if name in known}
    properties = {name: value for name, value in fields.items() if name not in known}
    written = {"user_id": user_id, "event_time": at_ms, "event_type": event_type, **own}
    return written | {"properties": properties | own.get("properties", {})} if properties else written


def record(
    content: dict[str, Any] | bytes | None,
    offset: int = 0,
    *,
    key: bytes | None = b"",
    topic: str = EVENTS_TOPIC,
    partition: int = 0,
    timestamp_ms: int | None = None,
    headers: Headers = (),
) -> Record:
    """A record as it lies in a topic: its key is the user's id unless another is given, it arrived as it happened."""
    if isinstance(content, dict):
        value: bytes | None = msgspec.json.encode(content)
        user_id, at = content.get("user_id"), content.get("event_time")
        key = str(user_id).encode() if key == b"" else key
        arrived_ms = at if isinstance(at, int) and not isinstance(at, bool) else START_MS
    else:
        value, arrived_ms = content, START_MS
    return Record(
        topic, partition, offset, arrived_ms if timestamp_ms is None else timestamp_ms, key or None, value, headers
    )
