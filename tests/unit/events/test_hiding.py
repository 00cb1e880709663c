"""What is hidden before an event is looked at reaches nothing: no event, no dead letter, no forward, no message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.probe import EVENTS_TOPIC, PROBE_TOML, START_MS, event, record
from ubi_stream.effects import Effects
from ubi_stream.events.hiding import FOUND, OWN_FORM, found_header, read_found
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.events.stage import ReadBatch, read_events
from ubi_stream.events.validate import Validator
from ubi_stream.mappings.live import MappedDecoder
from ubi_stream.mappings.model import load_mapping
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.schema import Events
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.privacy.rules import Action

SECRETS: dict[str, Any] = {"password": "hunter2", "note": "mail bob@example.com", "list": [{"pin": 1234}]}


def read(*records: Record, **options: Any) -> ReadBatch:
    return read_events(records, Validator(Events(types=("view",))), forwarded=False, **options)


def shown(letter: DeadLetter) -> str:
    """All that a dead letter says."""
    return f"{letter.message} {letter.record.value!r}"


def test_an_event_has_nothing_of_what_is_hidden_and_neither_has_what_is_forwarded() -> None:
    (found,) = read(record(event(**SECRETS))).events
    assert found.properties == {"password": "[filtered]", "note": "mail [email]", "list": [{"pin": "[filtered]"}]}
    assert msgspec.json.decode(found.raw)["properties"] == found.properties
    assert found.rewritten


def test_an_event_with_nothing_to_hide_keeps_its_bytes() -> None:
    sample = record(event(price=1))
    (found,) = read(sample).events
    assert found.raw is sample.value
    assert not found.rewritten


@pytest.mark.parametrize(
    "sample",
    [
        record(event(**SECRETS, event_type="odd")),
        record(event(**SECRETS) | {"context": {"timezone": "bob@example.com"}}),
        record(msgspec.json.encode(event(**SECRETS))[:-2]),
        record(msgspec.json.encode([event(**SECRETS)])),
        record(b" " * 200_000 + msgspec.json.encode(event(**SECRETS))),
    ],
    ids=["unknown type", "wrong field", "cut off", "no object", "too large"],
)
def test_a_dead_letter_shows_nothing_of_it_and_is_whole_otherwise(sample: Record) -> None:
    (letter,) = read(sample).dead_letters
    for secret in ("hunter2", "1234", "bob@example.com"):
        assert secret not in shown(letter)
    assert b'"user_id"' in (letter.record.value or b"")
    assert (letter.record.key, letter.record.offset) == (sample.key, sample.offset)


def test_a_dead_letter_with_nothing_to_hide_is_the_record_as_it_came() -> None:
    sample = record(event(event_type="odd"))
    (letter,) = read(sample).dead_letters
    assert letter.record is sample


def test_who_gave_no_consent_is_counted_and_not_kept() -> None:
    found = read(record(event() | {"context": {"consent": False}}), record(event()))
    assert [one.reason for one in found.not_kept] == ["no_consent"]
    assert len(found.events) == 1


MAPPING = """
description = "Lines of a log"
[event]
event_type = { constant = "view" }
user_id = { column = "who" }
event_time = { column = "at", format = "ms" }
[properties]
note = { column = "note" }
"""


@pytest.fixture
def decode(tmp_path: Path) -> MappedDecoder:
    """Of a topic of lines of a log."""
    path = tmp_path / "logs.toml"
    path.write_text(MAPPING)
    return MappedDecoder(load_mapping(path))


def mapped(**fields: Any) -> Record:
    return record(msgspec.json.encode({"who": "bob@example.com", "at": START_MS, **fields}))


def test_an_event_of_a_senders_form_is_forwarded_in_ours_where_something_was_hidden(
    decode: MappedDecoder,
) -> None:
    (found,) = read(mapped(note="call +49 30 901820", other="x"), decode=decode).events
    again = Record(EVENTS_TOPIC, 0, 1, START_MS, b"u", found.raw, ((OWN_FORM, b"event"),))
    (forwarded,) = read(again, decode=decode).events
    assert forwarded.properties == found.properties == {"note": "call [phone]"}
    assert (forwarded.user_id, forwarded.event_id) == (found.user_id, found.event_id)


def test_columns_that_a_mapping_does_not_read_reach_no_dead_letter(decode: MappedDecoder) -> None:
    (letter,) = read(mapped(at="odd", password="hunter2"), decode=decode).dead_letters
    assert "hunter2" not in shown(letter)
    assert (letter.record.value or b"").count(b"bob@example.com") == 1  # whose it is


def run(*samples: dict[str, Any], copies: int = 1) -> list[Effects]:
    """A pack's whole pipeline over some events."""
    pack = parse_pack(PROBE_TOML + '\n[privacy]\nkeep = ["note"]\n', where="test")
    setup = PartitionSetup(pack, "user", 0, epoch=1, seed=1, snapshot_key=b"key", cache_size=10)
    partition = Partition(setup, {}, {})
    records = [replace_offset(record(sample), offset) for offset, sample in enumerate(samples)]
    return [partition.pipeline.run(records, forwarded=False) for _ in range(copies)]


def replace_offset(sample: Record, offset: int) -> Record:
    return msgspec.structs.replace(sample, offset=offset)


def test_a_second_topic_gets_nothing_that_is_not_listed_and_replays_count_once() -> None:
    purchase = event(event_type="purchase", price=5, shop_id="s", order_id="o", note="x", secret="y", more="z")
    consentless = event() | {"context": {"consent": False}}
    first, second = run(purchase, consentless, copies=2)
    (forward,) = first.forwards
    assert set(msgspec.json.decode(forward.value)["properties"]) == {"price", "shop_id", "order_id", "note"}
    assert first.tally.withheld == {"no_consent": 1}
    assert first.tally.personal_data == {(name, "not_kept", Action.DROP): 1 for name in ("more", "secret")}
    assert not second.tally.withheld
    assert not second.tally.personal_data
    assert second.tally.replayed == 2


def test_what_a_collector_hid_is_reported_by_the_worker_and_a_forged_header_shows_no_name() -> None:
    found = [
        ("note", "email", Action.MASK),
        ("ann@shop.example", "email", Action.MASK),
        ("note", "made up", Action.MASK),
    ]
    sent = Record("ubi.events", 0, 0, 0, b"u", b"{}", (found_header(found),))
    assert read_found(sent) == (("note", "email", Action.MASK), ("other", "email", Action.MASK))
    for forged in (b"", b"{", b'[["a"]]', b"[1]", b'[["a","email","explode"]]'):
        assert read_found(msgspec.structs.replace(sent, headers=((FOUND, forged),))) == ()
