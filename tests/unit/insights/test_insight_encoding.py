"""Insights as CloudEvents, read by a strict reader."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

from support.folding import Runner
from support.probe import START_MS, event, record
from support.streams import Stream
from ubi_stream.events.model import DeadLetter
from ubi_stream.insights.encoding import (
    CONTENT_TYPE,
    encode_dead_letter,
    encode_features,
    encode_insight,
    encode_window,
    iso_time,
)
from ubi_stream.insights.model import Insight
from ubi_stream.insights.wording import short
from ubi_stream.reasons import DeadLetterReason


def strict(data: bytes) -> Any:
    """JSON as the standard has it: no NaN, no key twice."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=once)


def lively() -> tuple[list[Insight], Runner]:
    runner = Runner()
    stream = Stream(3).contents(200)
    records = [record(value, n, key=key, timestamp_ms=ms) for n, (key, value, ms) in enumerate(stream)]
    effects = runner.run_records(records)
    for window in effects.windows:
        assert strict(encode_window(window))["count"] == window.count
    for row in effects.features:
        assert strict(encode_features(row))["features"].keys() == row.features.keys()
    for letter in effects.dead_letters:
        strict(encode_dead_letter(letter))
    return effects.insights, runner


def test_an_insight_is_a_cloud_event_with_all_its_fields() -> None:
    insights, _ = lively()
    for insight in insights:
        envelope = strict(encode_insight(insight))
        data = envelope.pop("data")
        assert envelope == {
            "specversion": "1.0",
            "id": insight.id,
            "source": "ubi-stream/probe",
            "type": "dev.ubi.insight.v1",
            "subject": insight.user_id,
            "time": iso_time(insight.at_ms),
            "datacontenttype": "application/json",
        }
        assert list(data) == [
            "id", "kind", "entity", "user_id", "pack", "at", "label", "score", "confidence", "severity", "explanation",
            "evidence", "model_version", "source", "trace_id",
        ]  # fmt: skip
        assert data["source"].keys() == {"topic", "partition", "offset"}
        for part in data["explanation"]["contributions"]:
            assert part.keys() == {"feature", "value", "contribution", "usual", "peers"}
            assert isinstance(part["contribution"], float)


def test_a_trace_id_goes_from_event_to_insight() -> None:
    (risk,) = (i for i in Runner().run(event(latency_ms=9000, trace_id="t-1")).insights if i.kind == "risk")
    assert strict(encode_insight(risk))["data"]["trace_id"] == "t-1"


def test_the_content_type_is_that_of_cloud_events() -> None:
    assert CONTENT_TYPE == (("content-type", b"application/cloudevents+json; charset=utf-8"),)


def test_a_dead_letter_carries_the_record_whole() -> None:
    sample = record(b"\xff\x00", 7, key=b"\xfe", headers=(("h", b"\x80"),))
    letter = DeadLetter(DeadLetterReason.MALFORMED_JSON, "$", "no", sample)
    assert strict(encode_dead_letter(letter)) == {
        "id": "ubi.events-0-7",
        "reason": "malformed_json",
        "path": "$",
        "message": "no",
        "source": {"topic": "ubi.events", "partition": 0, "offset": 7, "timestamp_ms": START_MS},
        "key_base64": "/g==",
        "value_base64": "/wA=",
        "headers": [["h", "gA=="]],
    }


@pytest.mark.parametrize("time_ms", [0, 999, 1_700_006_400_000, 253_402_300_799_999])
def test_times_are_iso_8601_with_milliseconds(time_ms: int) -> None:
    text = iso_time(time_ms)
    assert text.endswith("Z")
    assert len(text) == 24


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00001234, "1.2e-05"),
        (0.12345, "0.123"),
        (99.96, "100"),
        (-1234.5, "-1234"),
        (1e12, "1000000000000"),
    ],
)
def test_numbers_are_as_a_person_writes_them(value: float, text: str) -> None:
    assert short(value) == text
