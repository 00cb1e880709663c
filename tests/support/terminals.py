"""A pack of card payments in which terminals have all that customers have, and streams of a terminal's payments."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.packs.loader import parse_pack

TERMINALS_TOML: Final = """
name = "terminals"
version = 1
description = "Card payments: terminals have segments, rules, outcomes, visits and models of their own"

[events]
types = ["payment", "refund"]

[events.roles]
amount = "amount"
amount_types = ["payment", "refund"]
conversion_types = ["payment"]
reference = "tx_id"
outcome = "fraud"

[times]
session_gap_min = 60
lateness_min = 10
dormant_after_days = 5
retention_days = 60

[[entities]]
name = "user"
features = ["events_24h", "amount_24h", "last_amount"]

[[entities]]
name = "terminal"
key = "terminal_id"
types = ["payment", "refund", "$label"]
features = ["events_24h", "events_7d", "last_amount", "amount_24h", "recency_s", "customers_24h", "refunds_24h"]
anomaly_features = ["events_24h", "last_amount"]
models = ["anomaly", "change", "drift", "forecast", "bandit"]
visits = true

[entities.roles]
item = "customer_id"
intent_types = ["refund"]

[[features]]
name = "customers_24h"
entities = ["terminal"]
kind = "distinct"
property = "customer_id"
window = "24h"
title = "different customers in 24 hours"

[[features]]
name = "refunds_24h"
entities = ["terminal"]
kind = "count"
types = ["refund"]
window = "24h"

[[segments]]
name = "customer"

[[segments]]
name = "closed"
entity = "terminal"
silent = true

[[segments]]
name = "busy"
entity = "terminal"
hold_h = 0
when = [{ feature = "customers_24h", op = ">=", value = 20 }]

[[segments.recommendations]]
action = "add_a_till"
text = "Set up another terminal"
priority = 3
score = 0.5

[[segments.recommendations]]
action = "praise"
text = "Tell the shop that it does well"
priority = 4
score = 0.5

[[segments]]
name = "quiet"
entity = "terminal"
hold_h = 0

[[visit_classes]]
name = "rush"
entity = "terminal"
score = 80
priority = 2
when = [{ feature = "session_items", op = ">=", value = 5 }]

[[visit_classes]]
name = "trickle"
entity = "terminal"
score = 20
priority = 4

[[rules]]
name = "many_refunds"
entity = "terminal"
severity = "high"
summary = "{refunds_24h} refunds in a day"
when = [{ feature = "refunds_24h", op = ">=", value = 3 }]

[[outcomes]]
name = "fraud"
entity = "terminal"
by = "label"
within_h = 48
warm_up = 20
min_per_class = 2
tell_above = 0.3
cool_down_min = 60

[models]
budget_us = 1000

[models.anomaly]
trees = 5
height = 4
window = 20
alert_rate = 0.05
warm_up = 30
min_entity_events = 3
low_one_in = 1

[models.change]
min_visits = 4
info_z = 1.0
z = 2.0

[models.drift]
block = 50
warm_up_h = 1
min_blocks = 5

[models.forecast]
target = "events"
min_days = 10
min_change = 0.0

[models.bandit]
reward = "conversion"
horizon_h = 24

[texts.entities]
terminal = "till"
"""
PACK: Final = parse_pack(TERMINALS_TOML, where="terminals")


def payment(terminal: str, at_ms: int, number: int, customer: int, **fields: Any) -> dict[str, Any]:
    """One payment at a terminal."""
    return event(
        f"c{customer}",
        at_ms,
        fields.pop("event_type", "payment"),
        event_id=f"e{terminal}-{number}",
        terminal_id=terminal,
        customer_id=f"c{customer}",
        tx_id=f"t{terminal}-{number}",
        amount=20.0 + customer % 7,
        **fields,
    )


def label(terminal: str, at_ms: int, number: int, customer: int, *, fraud: bool) -> dict[str, Any]:
    """What became of a payment."""
    return event(
        f"c{customer}",
        at_ms,
        "$label",
        event_id=f"l{terminal}-{number}",
        terminal_id=terminal,
        tx_id=f"t{terminal}-{number}",
        fraud=fraud,
    )


def months_of_a_street(days: int, *, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Payments of six terminals in order of time, with labels six hours later; the first has frauds of large sums."""
    draw, found = Random(seed), []
    for day in range(days):
        for terminal in range(6):
            busy = terminal == 0 and day > days - 6
            for number in range(draw.randrange(40, 50) if busy else draw.randrange(4, 8)):
                at_ms = START_MS + day * DAY_MS + 9 * HOUR_MS + draw.randrange(10 * 60) * MINUTE_MS
                customer, bad = draw.randrange(200), terminal == 0 and draw.random() < 0.3
                name, place = f"till{terminal}", day * 100 + number
                paid = payment(name, at_ms, place, customer)
                paid["properties"]["amount"] = 900.0 if bad else paid["properties"]["amount"]
                found += [paid, label(name, at_ms + 6 * HOUR_MS, place, customer, fraud=bad)]
    return iter(sorted(found, key=lambda content: (content["event_time"], content["event_id"])))
