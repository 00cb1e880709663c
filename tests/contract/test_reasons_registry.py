"""Every reason has a sample that yields it, with its path, and a line in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from support.probe import DAY_MS, START_MS, event, probe_pack, record
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.insights.encoding import encode_dead_letter
from ubi_stream.packs.schema import Events
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.reasons import DeadLetterReason as Reason
from ubi_stream.runtime.isolate import Batch, isolate

DOCUMENT = Path(__file__).parents[2] / "docs" / "dead-letters.md"

SAMPLES: dict[str, tuple[Reason, str, Record]] = {
    "cut off": (Reason.MALFORMED_JSON, "$", record(b'{"user_id": "u1", ')),
    "not UTF-8": (Reason.MALFORMED_JSON, "$", record(b'{"user_id": "\xff"}')),
    "lone surrogate": (Reason.MALFORMED_JSON, "$", record(rb'{"user_id": "\ud800"}')),
    "a number beyond floats": (Reason.MALFORMED_JSON, "$", record(b'{"user_id": 1e999}')),
    "no value": (Reason.NULL_VALUE, "$", record(None)),
    "no user": (Reason.MISSING_FIELD, "$.user_id", record(event(user_id=None))),  # type: ignore[arg-type]  # as sent
    "an empty user": (Reason.MISSING_FIELD, "$.user_id", record(event(user_id=""))),
    "an empty event id": (Reason.MISSING_FIELD, "$.event_id", record(event(event_id=""))),
    "no type": (Reason.MISSING_FIELD, "$.event_type", record({"user_id": "u", "event_time": START_MS})),
    "no time": (Reason.MISSING_FIELD, "$.event_time", record({"user_id": "u", "event_type": "view"})),
    "a list": (Reason.WRONG_TYPE, "$", record(b"[1]")),
    "a list as user": (Reason.WRONG_TYPE, "$.user_id", record(event() | {"user_id": [1]})),
    "true as time": (Reason.WRONG_TYPE, "$.event_time", record(event() | {"event_time": True}, timestamp_ms=START_MS)),
    "text as properties": (Reason.WRONG_TYPE, "$.properties", record(event() | {"properties": "price=1"})),
    "a list as a shop": (Reason.WRONG_TYPE, "$.properties.shop_id", record(event(shop_id=[1]))),
    "no ISO time": (
        Reason.INVALID_VALUE,
        "$.event_time",
        record(event() | {"event_time": "yesterday"}, timestamp_ms=START_MS),
    ),
    "a time beyond calendars": (Reason.INVALID_VALUE, "$.sent_at", record(event(sent_at=2**53))),
    "a long id": (Reason.TOO_LARGE, "$.user_id", record(event(user_id="u" * 257))),
    "large properties": (Reason.TOO_LARGE, "$.properties", record(event(notes=["x" * 1_000] * 33))),
    "a large record": (Reason.TOO_LARGE, "$", record(b" " * (128 * 1024 + 1))),
    "deep": (Reason.TOO_DEEP, "$", record(event(a={"b": {"c": {"d": {"e": {"f": {"g": {}}}}}}}))),
    "deep beyond parsers": (Reason.TOO_DEEP, "$", record(b"[" * 50_000)),
    "a type of another pack": (Reason.UNKNOWN_EVENT_TYPE, "$.event_type", record(event(event_type="ring"))),
    "the day after tomorrow": (
        Reason.TIME_IN_FUTURE,
        "$.event_time",
        record(event(at_ms=START_MS + 2 * DAY_MS), timestamp_ms=START_MS),
    ),
    "long ago": (
        Reason.TIME_TOO_OLD,
        "$.event_time",
        record(event(at_ms=START_MS - 31 * DAY_MS), timestamp_ms=START_MS),
    ),
    "before 1970": (Reason.TIME_TOO_OLD, "$.event_time", record(event(at_ms=-1), timestamp_ms=START_MS)),
}

EVENTS = Events(types=("view",), max_age_days=30)


def read(sample: Record) -> DeadLetter:
    """The dead letter of a record that must become one."""
    outcome = read_events([sample], Validator(EVENTS, ("shop_id",)), forwarded=False)
    assert not outcome.events
    assert not outcome.unwanted
    (letter,) = outcome.dead_letters
    return letter


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_yields_its_reason_and_path(name: str) -> None:
    reason, path, sample = SAMPLES[name]
    letter = read(sample)
    assert (letter.reason, letter.path) == (reason, path)
    assert letter.record is sample
    assert letter.message
    encoded = msgspec.json.decode(encode_dead_letter(letter))
    assert (encoded["reason"], encoded["path"], encoded["message"]) == (reason.value, path, letter.message)


def test_every_reason_of_the_core_has_a_sample() -> None:
    assert {reason for reason, _, _ in SAMPLES.values()} == set(Reason) - {Reason.PROCESSING_ERROR}


def test_an_event_whose_processing_raises_is_a_processing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remaining reason is given by the worker, which sets aside the one event that raises."""
    setup = PartitionSetup(probe_pack(), "user", 0, epoch=1, seed=1, snapshot_key=b"k", cache_size=10)
    records = [record(event(at_ms=START_MS + n, latency_ms=n), offset=n) for n in range(5)]

    def number(properties: dict[str, object], name: str | None) -> float | None:
        if properties.get("latency_ms") == 3:
            raise ZeroDivisionError
        return None

    monkeypatch.setattr("ubi_stream.state.fold.number", number)
    _, effects, good = isolate(lambda: Partition(setup, {}, {}), [], Batch(records, False))
    letters = [letter for effect in effects for letter in effect.dead_letters]
    assert [(letter.reason, letter.path, letter.record.offset) for letter in letters] == [
        (Reason.PROCESSING_ERROR, "$", 3)
    ]
    assert [kept.offset for kept in good.records] == [0, 1, 2, 4]


def test_every_reason_has_one_line_in_the_document_and_no_other() -> None:
    _, _, section = DOCUMENT.read_text(encoding="utf-8").partition("\n## Reasons\n")
    documented = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(documented) == sorted(reason.value for reason in Reason)


def test_the_documents_example_has_the_fields_of_a_dead_letter() -> None:
    example, *_ = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    letter = read(SAMPLES["a list as user"][2])
    written, made = msgspec.json.decode(example), msgspec.json.decode(encode_dead_letter(letter))
    assert written.keys() == made.keys()
    assert written["message"] == made["message"]
    assert written["source"].keys() == made["source"].keys()
