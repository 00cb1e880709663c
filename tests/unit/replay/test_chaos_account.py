"""What chaos says it did is what the pipeline's first stages find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import orjson
import pytest

from ubi_stream.data.records import ProducerRecord
from ubi_stream.errors import ConfigError
from ubi_stream.events.stage import ReadBatch
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.synthetic.chaos import POISON_REASONS, Chaos, ChaosAccount, ChaosOptions, Poison
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

FirstStages = Callable[..., ReadBatch]
KNOWN = ("page_view", "view", "search", "cart", "remove_from_cart", "checkout", "purchase", "login", "support")
GOOD = 5_000
LATE_MS = 60_000
EVERYTHING = ChaosOptions(
    duplicates=0.05, out_of_order=0.1, late=0.02, keyless=0.03, poison=0.04, late_ms=LATE_MS, duplicate_within_ms=20_000
)


def good_records() -> list[ProducerRecord]:
    return list(Traffic(TrafficOptions(users=200, rate=30.0, start_ms=1_700_000_000_000)).records(GOOD))


def spoil(options: ChaosOptions) -> tuple[list[ProducerRecord], ChaosAccount]:
    chaos = Chaos(options)
    return list(chaos.spoil(good_records())), chaos.account


def test_the_account_is_what_the_first_stages_find(first_stages: FirstStages) -> None:
    records, account = spoil(EVERYTHING)
    read = first_stages(records, KNOWN)
    seen = Counter(event.event_id for event in read.events)
    assert len(read.events) + len(read.dead_letters) == len(records) == account.records
    assert len(seen) == account.good == GOOD
    assert sum(count - 1 for count in seen.values()) == account.duplicates > 150
    assert Counter(letter.reason for letter in read.dead_letters) == account.dead_letters
    assert sum(record.key is None for record in records) == account.keyless + account.poison[Poison.NO_KEY]
    assert account.keyless > 80
    assert set(account.poison) == set(Poison)


def test_late_and_out_of_order_are_counted_as_delivered(first_stages: FirstStages) -> None:
    records, account = spoil(EVERYTHING)
    assert (account.late, account.out_of_order) == lags(first_stages(records, KNOWN), LATE_MS)
    assert account.late > 20
    assert account.out_of_order > 300


def test_an_event_for_whose_lateness_the_stream_is_too_short_is_only_out_of_order(first_stages: FirstStages) -> None:
    records, account = spoil(ChaosOptions(late=0.02, late_ms=10**9))
    assert (account.late, account.out_of_order) == lags(first_stages(records, KNOWN), 10**9)
    assert account.late == 0
    assert account.out_of_order > 50


def lags(read: ReadBatch, late_ms: int) -> tuple[int, int]:
    """How many first deliveries came late, and how many just out of order."""
    newest_ms = late = out_of_order = 0
    seen: set[str] = set()
    for event in read.events:
        if event.event_id not in seen:
            seen.add(event.event_id)
            behind_ms = newest_ms - event.event_time_ms
            late += behind_ms >= late_ms
            out_of_order += 0 < behind_ms < late_ms
            newest_ms = max(newest_ms, event.event_time_ms)
    return late, out_of_order


def test_nothing_asked_changes_nothing() -> None:
    records, account = spoil(ChaosOptions())
    assert records == good_records()
    assert account == ChaosAccount(good=GOOD)


def test_the_same_seed_spoils_the_same_records() -> None:
    assert spoil(EVERYTHING) == spoil(EVERYTHING)
    assert spoil(EVERYTHING)[0] != spoil(ChaosOptions(poison=0.04, seed=8))[0]


@pytest.mark.parametrize("kind", list(Poison))
def test_each_kind_of_garbage_becomes_its_dead_letter(first_stages: FirstStages, kind: Poison) -> None:
    chaos = Chaos(ChaosOptions(poison=1.0, kinds=(kind,)))
    read = first_stages(chaos.spoil(good_records()[:300]), KNOWN)
    assert [letter.reason for letter in read.dead_letters] == [POISON_REASONS[kind]] * 300
    assert chaos.account.dead_letters == {POISON_REASONS[kind]: 300}
    assert len(read.events) == 300, "the good events beside the garbage are untouched"


def test_sizes_of_garbage_are_options(first_stages: FirstStages) -> None:
    kinds = (Poison.HUGE, Poison.DEEP)
    options = ChaosOptions(poison=1.0, kinds=kinds, huge_bytes=300_000, deep_levels=5_000, seed=3)
    records = list(Chaos(options).spoil(good_records()[:20]))
    assert max(len(record.value or b"") for record in records) > 300_000
    reasons = {letter.reason for letter in first_stages(records, KNOWN).dead_letters}
    assert reasons == {DeadLetterReason.TOO_LARGE, DeadLetterReason.TOO_DEEP}


def test_a_record_without_a_user_names_nobody() -> None:
    records, _ = spoil(ChaosOptions(poison=1.0, kinds=(Poison.NO_KEY,)))
    nobodys = [record for record in records if record.key is None]
    assert len(nobodys) == GOOD
    assert all("user_id" not in orjson.loads(record.value or b"") for record in nobodys)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ChaosOptions(duplicates=0.6, late=0.6), "expected 0 to 1 together"),
        (ChaosOptions(late=-0.1), "expected 0 to 1 together"),
        (ChaosOptions(poison=1.1), r"poison = 1\.1"),
        (ChaosOptions(poison=0.1, kinds=()), "at least one kind"),
    ],
)
def test_refuses_shares_out_of_range(options: ChaosOptions, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Chaos(options)
