"""What a field may look like, and what becomes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.probe import HOUR_MS, MINUTE_MS, START_MS, event, record
from ubi_stream.events.model import DeadLetter, Event, ForwardSource, Origin, Record, Unwanted
from ubi_stream.events.stage import forward_headers, read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.schema import Events
from ubi_stream.reasons import DeadLetterReason as Reason

EVENTS = Events(types=("view", "purchase"))


def read(content: dict[str, Any] | bytes, **changes: Any) -> Event:
    outcome = outcome_of(record(content, **{"timestamp_ms": START_MS} | changes))
    assert isinstance(outcome, Event), outcome
    return outcome


def refused(content: dict[str, Any]) -> tuple[Reason, str, str]:
    outcome = outcome_of(record(content, timestamp_ms=START_MS))
    assert isinstance(outcome, DeadLetter), outcome
    return outcome.reason, outcome.path, outcome.message


def outcome_of(sample: Record, events: Events = EVENTS, *, forwarded: bool = False) -> Event | DeadLetter | Unwanted:
    outcome = read_events([sample], Validator(events), forwarded=forwarded)
    found: list[Event | DeadLetter | Unwanted] = [*outcome.events, *outcome.dead_letters, *outcome.unwanted]
    (only,) = found
    return only


@pytest.mark.parametrize(
    ("written", "expected_ms"),
    [
        ("2023-11-15T00:00:00Z", START_MS),
        ("2023-11-15T00:00:00+00:00", START_MS),
        ("2023-11-15T02:00:00+02:00", START_MS),
        ("2023-11-14T19:00:00-05:00", START_MS),
        ("2023-11-15T00:00:00", START_MS),  # naive is UTC
        ("2023-11-15 00:00:00.123456", START_MS + 123),
        ("2023-11-15T00:00:00.999Z", START_MS + 999),
        ("2023-11-15", START_MS),
        ("20231115T000000Z", START_MS),
        (START_MS, START_MS),
        (float(START_MS) + 0.9, START_MS),
    ],
)
def test_time_is_iso_8601_or_milliseconds(written: object, expected_ms: int) -> None:
    assert read(event() | {"event_time": written}).event_time_ms == expected_ms


@pytest.mark.parametrize("written", ["", "now", "15/11/2023", "2023-13-01", "1700006400000", "2023-11-15T25:00:00Z"])
def test_another_text_is_no_time(written: str) -> None:
    assert refused(event() | {"event_time": written})[:2] == (Reason.INVALID_VALUE, "$.event_time")


@pytest.mark.parametrize("written", [True, False, [START_MS], {"ms": START_MS}])
def test_another_type_is_no_time(written: object) -> None:
    assert refused(event() | {"event_time": written})[:2] == (Reason.WRONG_TYPE, "$.event_time")


def test_a_time_at_the_end_of_the_calendar_is_no_crash() -> None:
    assert refused(event() | {"event_time": "0001-01-01T00:00:00+23:00"})[1] == "$.event_time"
    assert refused(event() | {"event_time": "9999-12-31T23:59:59-23:00"})[0] is Reason.TIME_IN_FUTURE
    assert refused(event() | {"event_time": 10**30})[0] is Reason.INVALID_VALUE
    assert refused(event() | {"event_time": -(2**53)})[0] is Reason.INVALID_VALUE


# sender's clock, 3 h behind:   event 21:00   sent 21:05
# broker's clock:                             arrived 00:00  ->  event at 23:55
def test_a_clock_that_is_behind_is_corrected_by_sent_at() -> None:
    written = event(at_ms=START_MS - 3 * HOUR_MS - 5 * MINUTE_MS, sent_at=START_MS - 3 * HOUR_MS)
    assert read(written).event_time_ms == START_MS - 5 * MINUTE_MS


def test_a_clock_that_is_days_ahead_is_corrected_by_sent_at() -> None:
    written = event(at_ms=START_MS + 72 * HOUR_MS, sent_at="2023-11-18T00:00:01Z")
    assert read(written).event_time_ms == START_MS - 1000


def test_what_was_sent_before_it_happened_is_in_the_future() -> None:
    assert refused(event(sent_at=START_MS - 25 * HOUR_MS))[:2] == (Reason.TIME_IN_FUTURE, "$.event_time")


@pytest.mark.parametrize(
    ("written", "expected"), [(17, "17"), (-3, "-3"), (0, "0"), (2**80, str(2**80)), ("017", "017")]
)
def test_a_whole_number_is_an_id(written: object, expected: str) -> None:
    assert read(event() | {"user_id": written}).user_id == expected
    assert read(event() | {"event_id": written}).event_id == expected


@pytest.mark.parametrize("written", [True, 1.0, [1], {}])
def test_nothing_else_is_an_id(written: object) -> None:
    assert refused(event() | {"user_id": written})[:2] == (Reason.WRONG_TYPE, "$.user_id")


@pytest.mark.parametrize("written", ["  ", "\t", "undefined", "NULL", " null ", "[object Object]", "None"])
def test_who_is_nobody_is_missing(written: str) -> None:
    assert refused(event() | {"user_id": written})[:2] == (Reason.MISSING_FIELD, "$.user_id")
    assert read(event(session_id=written)).session_id is None
    if written.strip():
        assert read(event(event_id=written), offset=3).event_id == "ubi.events-0-3", "not one id for all of them"
        kept = outcome_of(
            record(event() | {"user_id": written}, timestamp_ms=START_MS), Events(types=("view",), nobody=())
        )
        assert isinstance(kept, Event)
        assert isinstance(outcome_of(record(event(event_type="$erase") | {"user_id": written})), Event)


@pytest.mark.parametrize("field", ["session_id", "trace_id"])
def test_an_empty_optional_id_is_none(field: str) -> None:
    assert getattr(read(event() | {field: ""}), field) is None
    assert getattr(read(event() | {field: None}), field) is None
    assert refused(event() | {field: True})[:2] == (Reason.WRONG_TYPE, f"$.{field}")


def test_an_event_without_an_id_gets_one_from_its_position() -> None:
    assert read(event(), offset=12, partition=3).event_id == "ubi.events-3-12"
    assert read(event(event_id="mine"), offset=12).event_id == "mine"


def test_nul_and_control_characters_pass_as_they_are() -> None:
    assert read(event(user_id="a\x00b\n\x1f")).user_id == "a\x00b\n\x1f"


def test_half_a_surrogate_pair_is_no_text() -> None:
    outcome = outcome_of(record(rb'{"user_id":"\udc00","event_type":"view","event_time":1}'))
    assert isinstance(outcome, DeadLetter)
    assert outcome.reason is Reason.MALFORMED_JSON
    assert read(rb'{"user_id":"\ud83d\ude00","event_type":"view","event_time":1700006400000}').user_id == "😀"


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    value = b'{"user_id":"first","event_type":"view","event_time":1700006400000,"user_id":"last"}'
    assert read(value).user_id == "last"


def test_a_byte_order_mark_says_nothing() -> None:
    assert read(b"\xef\xbb\xbf" + msgspec.json.encode(event())).user_id == "u1"


def test_a_record_of_a_schema_registry_is_called_one() -> None:
    outcome = outcome_of(record(b"\0\0\0\0\5" + msgspec.json.encode(event())))
    assert isinstance(outcome, DeadLetter)
    assert "schema registry" in outcome.message


# phone:    view 23:59:00   purchase 23:59:10
# sent:     23:59:30        00:00:00            both arrive at 00:00:00: the first was 30 s under way
def test_seconds_under_way_are_no_wrong_clock() -> None:
    first = read(event(at_ms=START_MS - MINUTE_MS, sent_at=START_MS - MINUTE_MS // 2))
    second = read(event(at_ms=START_MS - MINUTE_MS + 10_000, sent_at=START_MS))
    assert second.event_time_ms - first.event_time_ms == 10_000


def test_a_time_of_another_unit_is_called_so() -> None:
    reason, path, message = refused(event() | {"event_time": START_MS // 1000})
    assert (reason, path) == (Reason.TIME_TOO_OLD, "$.event_time")
    assert "it looks like seconds (2023-11-15), Unix milliseconds were expected" in message
    assert "it looks like microseconds" in refused(event() | {"event_time": START_MS * 1000})[2]
    assert refused(event(sent_at=START_MS // 1000))[:2] == (Reason.INVALID_VALUE, "$.sent_at")
    assert refused(event(sent_at=START_MS // 1000 - 90) | {"event_time": START_MS // 1000 - 100})[1] == "$.sent_at"


def test_absent_and_null_properties_are_empty() -> None:
    assert read(event() | {"properties": None, "context": None}).properties == {}
    assert read(event()).context == {}
    assert refused(event() | {"context": []})[:2] == (Reason.WRONG_TYPE, "$.context")


def test_unknown_fields_are_ignored_and_counted() -> None:
    validator = Validator(EVENTS)
    samples = [record(event() | {"ip": "::1", "agent": "x"}), record(event()), record(event() | {"ip": "::1"})]
    assert len(read_events(samples, validator, forwarded=False).events) == 3
    assert validator.unknown_fields == 3


def test_a_message_does_not_repeat_a_long_value() -> None:
    message = refused(event() | {"event_time": "x" * 5000})[2]
    assert len(message) < 150


def test_an_unknown_type_is_refused_dropped_or_kept_as_the_pack_says() -> None:
    ring = record(event(event_type="ring"))
    refused_ = outcome_of(ring)
    dropped = outcome_of(ring, Events(types=("view",), unknown="drop"))
    kept = outcome_of(ring, Events(types=("view",), unknown="keep"))
    assert isinstance(refused_, DeadLetter)
    assert refused_.reason is Reason.UNKNOWN_EVENT_TYPE
    assert dropped == Unwanted("ring", ring)
    assert isinstance(kept, Event)
    assert kept.event_type == "ring"


@pytest.mark.parametrize(
    ("written", "reason"),
    [("", Reason.MISSING_FIELD), ("x" * 257, Reason.TOO_LARGE), (7, Reason.WRONG_TYPE)],
)
def test_a_kept_type_must_still_be_a_name(written: object, reason: Reason) -> None:
    outcome = outcome_of(record(event() | {"event_type": written}), Events(types=("view",), unknown="keep"))
    assert isinstance(outcome, DeadLetter)
    assert (outcome.reason, outcome.path) == (reason, "$.event_type")


def test_every_pack_knows_labels() -> None:
    assert read(event(event_type="$label")).event_type == "$label"


def forwarded(content: dict[str, Any], headers: tuple[tuple[str, bytes], ...]) -> Event:
    sample = record(content, topic="ubi.events.by-user", partition=2, offset=9, headers=headers)
    outcome = outcome_of(sample, forwarded=True)
    assert isinstance(outcome, Event)
    return outcome


def test_a_forward_tells_where_the_event_entered_and_who_sent_it() -> None:
    entered = read(event(), partition=1, offset=77)
    once = forwarded(event(), forward_headers(entered))
    assert once.origin == entered.origin == Origin("ubi.events", 1, 77, START_MS)
    assert once.sender == ForwardSource("ubi.events/1", 77)
    assert once.event_id == entered.event_id == "ubi.events-1-77"
    assert (once.topic, once.partition, once.offset) == ("ubi.events.by-user", 2, 9)


def test_a_forward_of_a_forward_has_another_sender_and_the_same_origin() -> None:
    once = forwarded(event(), forward_headers(read(event(), partition=1, offset=77)))
    twice = forwarded(event(), forward_headers(once))
    assert twice.origin == once.origin
    assert twice.sender == ForwardSource("ubi.events.by-user/2", 9)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("ubi-source-topic", b"ubi.events"),),
        (("ubi-source-topic", b"\xff"), *((f"ubi-source-{n}", b"1") for n in ("partition", "offset", "time"))),
        (
            ("ubi-source-topic", b"t"),
            ("ubi-source-partition", b"one"),
            ("ubi-source-offset", b""),
            ("ubi-source-time", b""),
        ),
        (
            ("ubi-source-topic", None),
            ("ubi-source-partition", None),
            ("ubi-source-offset", None),
            ("ubi-source-time", None),
        ),
        (("ubi-source-topic", b"t"), *((f"ubi-source-{n}", b"9" * 30) for n in ("partition", "offset", "time"))),
        (("ubi-source-topic", b"t"), *((f"ubi-source-{n}", b"-1") for n in ("partition", "offset", "time"))),
        (
            ("ubi-source-topic", b"t"),
            *((f"ubi-source-{n}", b"1") for n in ("partition", "offset", "time")),
            ("ubi-sender", b"t/0/" + b"9" * 30),
        ),
    ],
    ids=["none", "some", "not ASCII", "no numbers", "no values", "too large", "negative", "sender too large"],
)
def test_a_record_without_good_headers_entered_where_it_was_read(headers: tuple[tuple[str, bytes], ...]) -> None:
    found = forwarded(event(), headers)
    assert found.origin == Origin("ubi.events.by-user", 2, 9, START_MS)
    assert found.sender == ForwardSource("ubi.events.by-user/2", 9)
