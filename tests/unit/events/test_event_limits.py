"""Limits at their edges: the last value that passes, the first that does not."""

from __future__ import annotations

import msgspec
import pytest

from support.probe import DAY_MS, START_MS, event, record
from ubi_stream.events.decode import decode
from ubi_stream.events.limits import MAX_AHEAD_MS, MAX_DEPTH, MAX_PROPERTIES_BYTES, MAX_SKEW_MS, MAX_VALUE_BYTES
from ubi_stream.events.model import DeadLetter, Event, Record, Unwanted
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.schema import Events
from ubi_stream.reasons import DeadLetterReason as Reason


def read(sample: Record, events: Events | None = None) -> Event | DeadLetter | Unwanted:
    outcome = read_events([sample], Validator(events or Events(types=("view",))), forwarded=False)
    found: list[Event | DeadLetter | Unwanted] = [*outcome.events, *outcome.dead_letters, *outcome.unwanted]
    (only,) = found
    return only


def reason_of(sample: Record, events: Events | None = None) -> Reason | None:
    outcome = read(sample, events)
    return outcome.reason if isinstance(outcome, DeadLetter) else None


@pytest.mark.parametrize("field", ["user_id", "event_id", "session_id", "trace_id"])
@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("x" * 256, True),
        ("x" * 257, False),
        ("é" * 128, True),  # 256 bytes
        ("é" * 128 + "x", False),
        ("😀" * 64, True),
        ("😀" * 65, False),
    ],
    ids=["256 ASCII", "257 ASCII", "128 of 2 bytes", "257 bytes", "64 of 4 bytes", "260 bytes"],
)
def test_an_id_has_at_most_256_bytes_of_utf8(field: str, value: str, passes: bool) -> None:
    outcome = read(record(event() | {field: value}))
    if passes:
        assert isinstance(outcome, Event)
        assert getattr(outcome, field) == value
    else:
        assert isinstance(outcome, DeadLetter)
        assert (outcome.reason, outcome.path) == (Reason.TOO_LARGE, f"$.{field}")


@pytest.mark.parametrize("field", ["properties", "context"])
def test_properties_have_at_most_32_kilobytes_of_json(field: str) -> None:
    notes = ["x" * 1_000] * 32
    room = MAX_PROPERTIES_BYTES - len(msgspec.json.encode({"notes": [*notes, ""]}))
    assert reason_of(record(event() | {field: {"notes": [*notes, "x" * room]}})) is None
    too_large = {"notes": [*notes, "x" * (room + 1)]}
    assert reason_of(record(event() | {field: too_large})) is Reason.TOO_LARGE


def test_one_long_text_is_cut_instead() -> None:
    assert reason_of(record(event(note="x" * MAX_PROPERTIES_BYTES))) is None


def test_white_space_does_not_make_properties_large() -> None:
    value = b'{"user_id":"u","event_type":"view","event_time":1700006400000,"properties":{"a":' + b" " * 60_000 + b"1}}"
    assert reason_of(record(value)) is None


def test_integers_beyond_64_bits_are_measured_too() -> None:
    digits = b"9" * 4000
    numbers = b",".join([digits] * 9)
    value = b'{"user_id":"u","event_type":"view","event_time":1700006400000,"properties":{"a":[' + numbers + b"]}}"
    assert reason_of(record(value)) is Reason.TOO_LARGE


def test_a_record_has_at_most_128_kilobytes() -> None:
    value = msgspec.json.encode(event())
    assert reason_of(record(value + b" " * (MAX_VALUE_BYTES - len(value)))) is None
    assert reason_of(record(value + b" " * (MAX_VALUE_BYTES - len(value) + 1))) is Reason.TOO_LARGE


@pytest.mark.parametrize("brackets", ["{}", "[]"])
def test_an_event_is_nested_at_most_8_deep(brackets: str) -> None:
    def nested(levels: int) -> bytes:
        inner = "1"
        for _ in range(levels - 2):  # the event itself and its properties are the first two
            inner = f'{{"k":{inner}}}' if brackets == "{}" else f"[{inner}]"
        text = f'{{"user_id":"u","event_type":"view","event_time":1700006400000,"properties":{{"a":{inner}}}}}'
        return text.encode()

    assert reason_of(record(nested(MAX_DEPTH))) is None
    assert reason_of(record(nested(MAX_DEPTH + 1))) is Reason.TOO_DEEP


def test_brackets_in_text_are_no_depth() -> None:
    assert reason_of(record(event(note="[{" * 100))) is None


def test_many_objects_side_by_side_are_no_depth() -> None:
    assert reason_of(record(event(items=[{"id": n} for n in range(50)]))) is None


# now - 30 d           now                  now + 24 h
# |--- passes ---------|--- passes ---------|
# ^ too old before                           ^ future after
@pytest.mark.parametrize(
    ("offset_ms", "reason"),
    [
        (MAX_AHEAD_MS, None),
        (MAX_AHEAD_MS + 1, Reason.TIME_IN_FUTURE),
        (-30 * DAY_MS, None),
        (-30 * DAY_MS - 1, Reason.TIME_TOO_OLD),
    ],
)
def test_time_is_within_a_day_ahead_and_the_packs_age(offset_ms: int, reason: Reason | None) -> None:
    sample = record(event(at_ms=START_MS + offset_ms), timestamp_ms=START_MS)
    assert reason_of(sample, Events(types=("view",), max_age_days=30)) is reason


def test_what_is_far_ahead_counts_as_five_minutes_ahead() -> None:
    sample = record(event(at_ms=START_MS + 3_600_000), timestamp_ms=START_MS)
    (ahead,) = read_events([sample], Validator(Events(types=("view",))), forwarded=False).events
    assert ahead.event_time_ms == START_MS + MAX_SKEW_MS


def test_1970_is_the_beginning_of_time() -> None:
    events = Events(types=("view",), max_age_days=36500)
    assert reason_of(record(event(at_ms=0), timestamp_ms=1), events) is None
    assert reason_of(record(event(at_ms=-1), timestamp_ms=1), events) is Reason.TIME_TOO_OLD


def test_a_null_value_decodes_to_a_dead_letter() -> None:
    outcome = decode(record(None))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is Reason.NULL_VALUE
