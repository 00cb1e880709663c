"""Every sentence is true: its claims hold, and it contains no number that is not theirs. On three kinds of streams."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pytest

from support.probe import DAY_MS, START_MS
from support.public_data import public_file
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.insights.claims import holds, titles_of, unclaimed_numbers
from ubi_stream.insights.model import Insight
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

EVENTS = 8_000
NOW_MS = START_MS + 1000 * DAY_MS


def generated() -> Iterator[ProducerRecord]:
    return Traffic(TrafficOptions(users=300, rate=2.0, seed=11, start_ms=START_MS)).records(EVENTS)


def public(name: str, mapping: str, users: bytes = b"") -> Iterator[ProducerRecord]:
    """The first events of a file, by users whose ids end like that."""
    with ReplaySource(public_file(name), mapping) as source:
        yield from islice((record for record in source if (record.key or b"").endswith(users)), EVENTS)


def insights(pack: str, records: Iterator[ProducerRecord]) -> Iterator[Insight]:
    run = OfflineRun(load_pack(pack), Settings(partitions=1), now_ms=NOW_MS)
    for effects in run.run(records):
        yield from effects.insights


STREAMS = {
    "generated": ("ecommerce", generated),
    "rees46": ("ecommerce", lambda: public("rees46_2019-10-01.csv.gz", "rees46")),
    "cards": ("payments", lambda: public("card_transactions_2018-06-17_07-31.csv.gz", "card_payments", b"17")),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_sentences_say_no_more_than_their_claims_and_these_hold(stream: str) -> None:
    pack, records = STREAMS[stream]
    titles, seen = titles_of(load_pack(pack)), 0
    for insight in insights(pack, records()):
        seen += 1
        summary, claims = insight.explanation.summary, insight.explanation.claims
        assert unclaimed_numbers(summary, claims, titles=titles) == [], summary
        assert all(map(holds, claims)), claims
    assert seen > 0
