"""Public data through the shipped mappings: every row is accounted for."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import orjson

from ubi_stream.data.source import ReplaySource
from ubi_stream.events.stage import ReadBatch

PublicFile = Callable[[str], Path]
FirstStages = Callable[..., ReadBatch]
CARDS = "card_transactions_2018-06-17_07-31.csv.gz"
DAYS_3_MS = 3 * 86_400_000


def test_rees46_gives_its_events_and_users(public_file: PublicFile, first_stages: FirstStages) -> None:
    with ReplaySource(public_file("rees46_2019-10-01.csv.gz"), "rees46") as source:
        records = list(source)
        assert source.bytes_read == source.total_bytes
        assert source.rows_read == 17_434
    events = first_stages(records, ("view", "cart", "purchase")).events
    assert len(events) == 17_434
    assert len({event.user_id for event in events}) == 4_504
    assert len({event.event_id for event in events}) == 17_434, "identical rows stay distinct events"
    assert len({event.session_id for event in events}) == 5_066
    assert Counter(event.event_type for event in events) == {"view": 17_055, "cart": 165, "purchase": 214}
    assert all(record.key == event.user_id.encode() for record, event in zip(records, events, strict=True))
    first = events[0]
    assert (first.event_time_ms, first.user_id) == (1_569_888_000_000, "541312140")
    assert first.properties == {
        "price": 35.79,
        "category_id": "2103807459595387724",
        "brand": "shiseido",
        "product_id": "44600062",
    }


def test_rees46_twice_gives_the_same_records(public_file: PublicFile) -> None:
    path = public_file("rees46_2019-10-01.csv.gz")
    with ReplaySource(path, "rees46") as first, ReplaySource(path, "rees46") as second:
        assert list(first) == list(second)


def test_card_payments_are_followed_by_their_labels_three_days_later(
    public_file: PublicFile, first_stages: FirstStages
) -> None:
    path = public_file(CARDS)
    with gzip.open(path, "rt", newline="") as text:
        rows = list(islice(csv.DictReader(text), 60_000))
    with ReplaySource(path, "card_payments") as source:
        records = list(islice(source, 80_000))
    times = [record.time_ms or 0 for record in records]
    assert times == sorted(times)
    events = first_stages(records, ("payment",)).events
    assert len(events) == len(records)
    payments = [event for event in events if event.event_type == "payment"]
    labels = [event for event in events if event.event_type == "$label"]
    assert len(labels) > 10_000
    for row, event in zip(rows, payments, strict=False):
        assert (event.event_id, event.user_id, event.event_time_ms) == (
            row["tx_id"],
            row["customer_id"],
            int(row["ts"]) * 1000,
        )
        expected = {"amount": float(row["amount"]), "tx_id": row["tx_id"], "terminal_id": row["terminal_id"]}
        assert event.properties == expected
    for row, label in zip(rows, labels, strict=False):
        assert (label.user_id, label.event_time_ms) == (row["customer_id"], int(row["ts"]) * 1000 + DAYS_3_MS)
        assert label.properties == {
            "tx_id": row["tx_id"],
            "terminal_id": row["terminal_id"],
            "fraud": row["fraud"] == "1",
        }
    assert any(label.properties["fraud"] for label in labels)


def test_all_card_payments_give_a_payment_and_a_label_each(public_file: PublicFile) -> None:
    types: Counter[str] = Counter()
    ids = set()
    with ReplaySource(public_file(CARDS), "card_payments") as source:
        for record in source:
            event = orjson.loads(record.value or b"")
            types[event["event_type"]] += 1
            ids.add(event["event_id"])
    assert types == {"payment": 431_267, "$label": 431_267}
    assert len(ids) == 862_534
