"""A topic in a sender's form gives the events of a file with these rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.files import case
from support.forms import FORMS, access_line
from ubi_stream.data.source import ReplaySource
from ubi_stream.errors import ConfigError
from ubi_stream.events.decode import decode
from ubi_stream.events.model import DeadLetter, Record, Unwanted
from ubi_stream.mappings.live import MappedDecoder, decoder_of
from ubi_stream.mappings.model import Mapping, load_mapping
from ubi_stream.settings import Settings

KEY = b"a key"


def record(value: bytes | None, offset: int = 0) -> Record:
    return Record("events", 0, offset, 1_795_161_613_000, b"k", value)


def of_file(path: Path, mapping: str | Mapping) -> list[dict[str, Any]]:
    with ReplaySource(path, mapping, key=KEY) as source:
        return [orjson.loads(one.value or b"") for one in source]


def of_topic(path: Path, mapping: str | Mapping) -> list[Any]:
    loaded = mapping if isinstance(mapping, Mapping) else load_mapping(mapping)
    read = MappedDecoder(loaded, key=KEY)
    found = [read(record(line)) for line in path.read_bytes().splitlines()]
    return [one for one in found if not isinstance(one, Unwanted)]


@pytest.mark.parametrize(
    ("file", "mapping"), [("segment.jsonl", "segment"), ("posthog.jsonl", "posthog"), ("access.log", "access_log")]
)
def test_a_topic_gives_the_events_of_the_file(file: str, mapping: str) -> None:
    path = case(f"forms/{file}")
    expected = of_file(path, mapping)
    assert len(expected) > 100
    assert of_topic(path, mapping) == expected


@pytest.mark.parametrize("name", ["snowplow", "cloudevents", "ga4", "access_log", "segment", "posthog"])
def test_a_record_is_a_row_of_a_file(tmp_path: Path, name: str) -> None:
    text, _ = FORMS[name]
    path = tmp_path / ("rows.jsonl" if text.startswith("{") else "rows.tsv")
    path.write_text(text, encoding="utf-8")
    assert of_topic(path, name) == of_file(path, name)


def test_rows_of_fields_and_objects_with_their_names_are_the_same(make_mapping: Callable[[str], Mapping]) -> None:
    mapping = make_mapping(
        'description = "x"\n[file]\ncolumns = ["t", "e", "u"]\n'
        '[event]\nevent_time = { column = "t", format = "s" }\nevent_type = "e"\nuser_id = "u"\n'
    )
    read = MappedDecoder(mapping)
    fields = read(record(b'5,view,"a, b"\r\n'))
    assert isinstance(fields, dict)
    assert (fields["user_id"], fields["event_time"]) == ("a, b", 5000)
    assert read(record(json.dumps({"t": "5", "e": "view", "u": "a, b"}).encode())) == fields


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("taobao", b"1,2,3", "3 fields, 5 were expected"),
        ("taobao", b'"1,2,3', "not one line of fields"),
        ("taobao", b"1,2,caf\xe9,pv,5", "is not utf-8"),
        ("access_log", b"hello", "does not fit file.pattern"),
        ("segment", b"hello", "not valid JSON"),
        ("segment", None, "no value"),
        ("access_log", None, "no value"),
    ],
)
def test_what_does_not_fit_is_a_dead_letter_with_the_record_in_it(name: str, value: bytes | None, says: str) -> None:
    letter = MappedDecoder(load_mapping(name))(record(value))
    assert isinstance(letter, DeadLetter)
    assert says in letter.message
    assert letter.record.value == value


def test_labels_and_erasures_are_in_our_own_form() -> None:
    label = {"event_type": "$label", "user_id": "u-1", "event_time": 5, "properties": {"insight_id": "i"}}
    read = MappedDecoder(load_mapping("segment"))
    assert read(record(json.dumps(label).encode())) == label
    assert read(record(json.dumps(label | {"event_type": ["$label"]}).encode())) != label


def test_a_row_that_the_mapping_leaves_out_is_unwanted() -> None:
    assert isinstance(MappedDecoder(load_mapping("segment"))(record(b'{"type": "identify"}')), Unwanted)
    head = access_line("HEAD / HTTP/1.1").strip().encode()
    assert isinstance(MappedDecoder(load_mapping("access_log"))(record(head)), Unwanted)


@pytest.mark.parametrize(("name", "why"), [("own", "own form"), ("card_payments", "[[also]]"), ("matomo", "file.each")])
def test_mappings_for_files_alone_are_refused(name: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        decoder_of(Settings(events_mapping=name))
    assert f"UBI_EVENTS_MAPPING = {name}" in str(refused.value)
    assert why in str(refused.value)


def test_without_a_mapping_records_are_events_in_our_own_form() -> None:
    assert decoder_of(Settings()) is decode
