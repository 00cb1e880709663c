"""Whole streams through a pack, for the calibration of what is emitted: see `benchmarks.quality`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgspec

from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.metrics.status import ModelReport
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings

_START_MS = 1_700_006_400_000
_NOW_MS = 1_800_000_000_000
_VISITS = 8_000
_USERS = 400


@dataclass(frozen=True)
class ReplayedStream:
    """A stream and its pack.

    Attributes
    ----------
    file, mapping
        A public file; empty for the invented shop.
    one_in
        Of so many users one is taken, by a hash.
    tell_above
        In place of the pack's; None leaves it.
    """

    name: str
    pack: str
    file: str = ""
    mapping: str = ""
    one_in: int = 1
    tell_above: float | None = None


STREAMS = (
    ReplayedStream("invented shop", "ecommerce", tell_above=0.5),
    ReplayedStream(
        "card payments, a tenth of the customers",
        "payments",
        "card_transactions_2018-06-17_07-31.csv.gz",
        "card_payments",
        10,
    ),
)


def stream_reports(stream: ReplayedStream, folder: Path, *, limit: int | None = None) -> list[ModelReport]:
    """Return the reports of the models of outcomes that serve, over the whole stream."""
    run = OfflineRun(_pack(stream), Settings(partitions=1), now_ms=_NOW_MS)
    if stream.file:
        with ReplaySource(folder / stream.file, stream.mapping) as source:
            _run(run, islice(_some(source, stream.one_in), limit))
    else:
        _run(run, islice(shop_visits(seed=1), limit))
    return [report for report in run.model_reports() if report.partition is None and report.serves]


def shop_visits(seed: int) -> Iterator[ProducerRecord]:
    """Visits of two to eight steps; the more carts, the likelier a purchase, and much is left to chance."""
    rng = random.Random(seed)
    events = []
    for visit in range(_VISITS):
        at_ms, user = _START_MS + visit * 90_000, f"u{rng.randrange(_USERS)}"
        interest, steps = rng.random() ** 2, rng.randint(2, 8)
        kinds = ["cart" if rng.random() < 0.35 * interest else "view" for _ in range(steps)]
        kinds += ["purchase"] if rng.random() < 0.8 * interest else []
        for step, kind in enumerate(kinds):
            at_ms += rng.randint(5_000, 60_000)
            price = round(rng.lognormvariate(3, 1), 2)
            events.append((at_ms, user, f"{visit}/{step}", kind, f"s{visit}", price))
    for at_ms, user, name, kind, session, price in sorted(events):
        value = {
            "event_id": name, "event_time": at_ms, "event_type": kind, "user_id": user, "session_id": session,
            "properties": {"price": price},
        }  # fmt: skip
        yield ProducerRecord(user.encode(), msgspec.json.encode(value), at_ms)


def _pack(stream: ReplayedStream) -> Pack:
    pack = load_pack(stream.pack)
    if stream.tell_above is None:
        return pack
    outcomes = tuple(one.model_copy(update={"tell_above": stream.tell_above}) for one in pack.outcomes)
    return pack.model_copy(update={"outcomes": outcomes})


def _some(records: Iterable[ProducerRecord], one_in: int) -> Iterator[ProducerRecord]:
    return (record for record in records if crc32(record.key or b"") % one_in == 0)


def _run(run: OfflineRun, records: Iterable[ProducerRecord]) -> None:
    for _ in run.run(records):
        pass  # what it brings about is of no interest here
