"""Card payments through the whole pipeline: windows of customers and of terminals against figures made elsewhere.

The expected columns come with the public data. Exact windows must equal them; windows of panes must lie between exact
windows that are one pane narrower and one pane wider.
"""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from heapq import heappop, heappush
from typing import NamedTuple
from zlib import crc32

import msgspec
import pytest

from support.probe import DAY_MS, HOUR_MS
from support.public_data import public_file
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.insights.model import FeatureRow
from ubi_stream.packs.entities import Entity
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.models import ModelsSpec
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings

TRANSACTIONS = "card_transactions_2018-06-17_07-31.csv.gz"
EXPECTED = "card_window_features_2018-07-25_07-31.csv.gz"
NOW_MS = 1_700_000_000_000
SAMPLE = 0.02
"""Share of the customers and share of the terminals that are looked at, each with all of its payments."""
LABEL_DELAY_MS = 3 * DAY_MS

Keep = Callable[[str], bool]


class Payment(NamedTuple):
    tx_id: str
    at_ms: int
    customer: str
    terminal: str
    amount: float
    fraud: bool


def is_sampled(entity: str) -> bool:
    return crc32(entity.encode()) % 1000 < SAMPLE * 1000


@cache
def sampled_payments() -> list[Payment]:
    """Payments of the sampled customers and of the sampled terminals, in order."""
    with gzip.open(public_file(TRANSACTIONS), "rt", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        return [
            Payment(tx_id, int(ts) * 1000, customer, terminal, float(amount), fraud == "1")
            for tx_id, ts, customer, terminal, amount, fraud, _ in rows
            if is_sampled(f"user {customer}") or is_sampled(f"terminal {terminal}")
        ]


@cache
def expected() -> dict[str, dict[str, str]]:
    """Expected windows by payment."""
    with gzip.open(public_file(EXPECTED), "rt", newline="") as text:
        return {row["tx_id"]: row for row in csv.DictReader(text)}


def records(payments: list[Payment], *, labels: bool = True) -> Iterator[ProducerRecord]:
    """Each payment, and three days later its label, in order of time."""
    waiting: list[tuple[int, int, ProducerRecord]] = []
    for number, payment in enumerate(payments):
        while waiting and waiting[0][0] <= payment.at_ms:
            yield heappop(waiting)[2]
        named = {"tx_id": payment.tx_id, "terminal_id": payment.terminal}
        yield _record(payment, payment.tx_id, "payment", payment.at_ms, named | {"amount": payment.amount})
        if not labels:
            continue
        at_ms = payment.at_ms + LABEL_DELAY_MS
        label = _record(payment, f"label-{payment.tx_id}", "$label", at_ms, named | {"fraud": payment.fraud})
        heappush(waiting, (at_ms, number, label))


def _record(
    payment: Payment, event_id: str, event_type: str, at_ms: int, properties: dict[str, object]
) -> ProducerRecord:
    event = {
        "event_id": event_id,
        "event_type": event_type,
        "event_time": at_ms,
        "user_id": payment.customer,
        "properties": properties,
    }
    return ProducerRecord(payment.customer.encode(), msgspec.json.encode(event), at_ms)


def rows_of(pack: Pack, source: Iterator[ProducerRecord]) -> Iterator[FeatureRow]:
    run = OfflineRun(pack, Settings(partitions=2), now_ms=NOW_MS)
    for effects in run.run(source):
        yield from effects.features
    assert run.tally.dead_letters.total() == run.tally.duplicates == run.tally.unmatched_labels == 0


def mismatches(row: FeatureRow) -> list[str]:
    """Windows of a payment that differ from what is expected."""
    truth = expected()[row.event_id]
    side, second, column = {
        "user": ("customer", "mean_amount", "avg_amount"),
        "terminal": ("terminal", "bad_share", "risk"),
    }[row.entity]
    wrong = []
    for days in (1, 7, 30):
        count = row.features[f"exact_count_{days}d"]
        value = row.features[f"exact_{second}_{days}d"]
        assert count is not None
        assert value is not None
        if count != int(truth[f"{side}_id_nb_tx_{days}day_window"]):
            wrong.append(f"{row.event_id}: {row.entity} count of {days} days is {count}")
        if abs(value - float(truth[f"{side}_id_{column}_{days}day_window"])) > 1e-6:
            wrong.append(f"{row.event_id}: {row.entity} {second} of {days} days is {value}")
    return wrong


def count_mismatches(pack: Pack, source: Iterator[ProducerRecord], keep: Keep) -> tuple[Counter[str], list[str]]:
    checked: Counter[str] = Counter()
    wrong: list[str] = []
    for row in rows_of(pack, source):
        if row.event_id in expected() and keep(f"{row.entity} {row.entity_id}"):
            checked[row.entity] += 1
            wrong += mismatches(row)
    return checked, wrong


def without_models(pack: Pack) -> Pack:
    """Windows don't rest on models; they take most of the time."""
    return pack.model_copy(update={"models": ModelsSpec(), "rules": ()})


def test_windows_of_sampled_customers_and_terminals_are_exact() -> None:
    pack = without_models(load_pack("payments"))
    checked, wrong = count_mismatches(pack, records(sampled_payments()), is_sampled)
    assert wrong == []
    assert checked["user"] > 1000
    assert checked["terminal"] > 1000


def test_windows_of_panes_are_within_one_pane_of_the_exact_ones() -> None:
    #        t-25h  t-24h  t-23h                    t
    #   exact  |------|------|-----------------------|
    #   paned  at least this  |...and at most, from t-25h
    payments = [payment for payment in sampled_payments() if is_sampled(f"user {payment.customer}")]
    times: dict[str, list[int]] = defaultdict(list)
    for payment in payments:
        times[payment.customer].append(payment.at_ms)
    windows = {
        "events_24h": (DAY_MS, HOUR_MS),
        "events_7d": (7 * DAY_MS, DAY_MS),
        "conversions_30d": (30 * DAY_MS, DAY_MS),
    }
    checked = 0
    for row in rows_of(_paned(tuple(windows)), records(payments, labels=False)):
        own = times[row.entity_id]
        # Of payments in the same second, those that the file has later are not counted yet: they may be in, or not.
        before, until = bisect_left(own, row.at_ms), bisect_right(own, row.at_ms)
        for name, (width_ms, pane_ms) in windows.items():
            least = before - bisect_left(own, row.at_ms - width_ms + pane_ms) + 1
            most = until - bisect_left(own, row.at_ms - width_ms - pane_ms)
            value = row.features[name]
            assert value is not None
            assert least <= value <= most, (name, row)
            checked += 1
    assert checked == 3 * len(payments) > 10_000


def _paned(features: tuple[str, ...]) -> Pack:
    pack = without_models(load_pack("payments"))
    user = Entity(name="user", windows="paned", features=features)
    return pack.model_copy(update={"entities": (user,), "segments": ()})


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_windows_of_all_customers_and_terminals_are_exact() -> None:
    """The whole file, as its shipped mapping reads it, with the whole pack."""
    with ReplaySource(public_file(TRANSACTIONS), "card_payments") as source:
        checked, wrong = count_mismatches(load_pack("payments"), iter(source), lambda _: True)
    assert wrong == []
    assert checked == {"user": 67_240, "terminal": 67_240}
