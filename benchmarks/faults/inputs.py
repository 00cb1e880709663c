"""The streams: invented shoppers, invented card payments, or any file; spoiled where a scenario says so."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import load_mapping
from ubi_stream.synthetic.chaos import Chaos, ChaosOptions
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

START_MS = 1_760_000_000_000
SPAN_S = 2 * 86_400
"""Event time that a stream of shoppers covers: enough for visits to end and windows to slide."""
PAYMENTS_SPAN_S = 40 * 86_400
YEAR_MS = 365 * 86_400_000


def shoppers(events: int, seed: int) -> list[ProducerRecord]:
    """Generated users of a shop, over two days."""
    options = TrafficOptions(users=max(50, events // 50), rate=events / SPAN_S, start_ms=START_MS, seed=seed, zipf=0.8)
    return [_compact(record) for record in Traffic(options).records(events)]


def payments(events: int, seed: int) -> list[ProducerRecord]:
    """Invented card payments over forty days, read from a file with the mapping `card_payments`."""
    rng = Random(f"payments {seed}")
    rows = (events + 1) // 2  # each gives a payment and its label
    customers, terminals = max(20, rows // 40), max(10, rows // 100)
    with tempfile.TemporaryDirectory(prefix="ubi-faults-") as folder:
        path = Path(folder) / "payments.csv"
        with path.open("w", encoding="ascii", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["tx_id", "ts", "customer_id", "terminal_id", "amount", "fraud", "scenario"])
            times = sorted(START_MS // 1000 + rng.randrange(PAYMENTS_SPAN_S) for _ in range(rows))
            for number, time_s in enumerate(times):
                customer, terminal = rng.randrange(customers), rng.randrange(terminals)
                amount = round(rng.lognormvariate(3.0 + customer % 5 / 5, 0.6), 2)
                fraud = int(terminal % 25 == 0 and rng.random() < 0.3)
                writer.writerow([seed * 10**7 + number, time_s, customer, terminal, amount, fraud, fraud])
        return from_file(path, "card_payments", events)


def from_file(path: Path, mapping: str, events: int) -> list[ProducerRecord]:
    """The first events of any file."""
    with ReplaySource(path, mapping) as source:
        return list(islice(source, events))


def _compact(record: ProducerRecord) -> ProducerRecord:
    """The same with its value in a copy: what orjson writes keeps the 4 kB that it was written in."""
    value = record.value
    return ProducerRecord(record.key, value and bytes(bytearray(value)), record.time_ms)


def pack_of(mapping: str) -> str:
    """The pack that a mapping is meant for."""
    return load_mapping(mapping).pack or "ecommerce"


def spoiled(records: list[ProducerRecord], options: ChaosOptions) -> list[ProducerRecord]:
    """Duplicates, disorder, garbage: as the options say."""
    return list(Chaos(options).spoil(records))


def with_wrong_keys(records: list[ProducerRecord], seed: int) -> Iterator[ProducerRecord]:
    """A tenth of the users always come under a wrong key, and a twentieth of all records without any."""
    rng = Random(f"keys {seed}")
    wrong: dict[bytes, bool] = {}
    for record in records:
        key = record.key
        if key is not None and wrong.setdefault(key, rng.random() < 0.1):
            key = b"wrong " + key
        elif record.value is not None and rng.random() < 0.05:
            key = None
        yield ProducerRecord(key, record.value, record.time_ms)


def with_skewed_clocks(records: list[ProducerRecord], seed: int) -> Iterator[ProducerRecord]:
    """As devices send it that had no connection until now, and whose clocks are wrong by anything up to decades.

    When such an event happened is known from `sent_at` alone. One in a hundred has none, and a clock in 2099.
    """
    rng = Random(f"clocks {seed}")
    now_ms = max(record.time_ms or 0 for record in records)
    offsets: dict[bytes | None, int] = {}
    for record in records:
        offset_ms = offsets.setdefault(record.key, int(rng.choice((0, 1, -1)) * rng.expovariate(1 / YEAR_MS)))
        event = json.loads(record.value or b"")
        if rng.random() < 0.01:
            event["event_time"] = "2099-12-31T23:59:59Z"
        else:
            event |= {"event_time": (record.time_ms or 0) + offset_ms, "sent_at": now_ms + offset_ms}
        yield ProducerRecord(record.key, json.dumps(event).encode(), record.time_ms)
