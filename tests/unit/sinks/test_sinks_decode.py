"""What the topics hold becomes rows, and nothing that they hold raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.advice import advice_pack
from support.folding import Runner
from support.sink_rows import (
    DEAD_LETTERS,
    INSIGHTS,
    RECOMMENDATIONS,
    VISITS,
    WINDOWS,
    dead_letter_record,
    insight_record,
    insight_row,
)
from support.timeline import at
from ubi_stream.insights.encoding import encode_recommendation, encode_visit
from ubi_stream.insights.model import WindowCount
from ubi_stream.sinks.base import Position, RecommendationErasureRow, RecommendationRow, VisitErasureRow, VisitRow
from ubi_stream.sinks.decode import (
    Reader,
    read_dead_letter,
    read_insight,
    read_recommendation,
    read_visit,
    read_window,
    storable,
)

AT = Position(INSIGHTS, 0, 3)
READERS = [read_insight, read_dead_letter, read_window, read_visit, read_recommendation]


def test_insight_event_becomes_its_row() -> None:
    assert read_insight(insight_record(3), AT) == insight_row(3)


def test_dead_letter_becomes_an_index_entry_without_the_body() -> None:
    row = read_dead_letter(dead_letter_record(5), Position(DEAD_LETTERS, 1, 9))
    assert row is not None
    assert (row.id, row.source_offset, row.position.offset) == ("t.events-0-5", 5, 9)
    assert row.at == datetime(2019, 10, 1, tzinfo=UTC)


def test_dead_letter_of_a_record_without_timestamp_has_no_time() -> None:
    value = dead_letter_record(5).replace(b"1569888000000", b"-1")
    row = read_dead_letter(value, Position(DEAD_LETTERS, 0, 0))
    assert row is not None
    assert row.at is None


def test_window_count_becomes_its_row() -> None:
    count = WindowCount("shop", "user", 2, 1_569_888_000_000, 300_000, "events", "view", 17, 3.5)
    row = read_window(msgspec.json.encode(count), Position(WINDOWS, 0, 1))
    assert row is not None
    assert row.pane_start == datetime(2019, 10, 1, tzinfo=UTC)
    assert (row.partition, row.key, row.count, row.amount) == (2, "view", 17, 3.5)


def test_what_the_pipeline_writes_of_visits_becomes_rows() -> None:
    effects = Runner().run(at(0, product_id="p"), at(3), at(60), at(61, event_type="$erase"))
    row, erasure = (read_visit(encode_visit(visit), Position(VISITS, 0, n)) for n, visit in enumerate(effects.visits))
    assert isinstance(row, VisitRow)
    assert (row.user_id, row.total_events, row.session_duration_minutes) == ("u1", 2, 3.0)
    assert (row.session_start, row.recommendations) == (datetime(2023, 11, 15, tzinfo=UTC), "[]")
    assert erasure == VisitErasureRow(Position(VISITS, 0, 1), "user", "u1")


def test_what_the_pipeline_writes_of_recommendations_becomes_rows() -> None:
    events = (at(0), at(1), at(90, event_type="purchase", price=5), at(91, event_type="$erase"))
    written = [encode_recommendation(one) for one in Runner(advice_pack()).run(*events).recommendations]
    choice, reward, erasure = (
        read_recommendation(value, Position(RECOMMENDATIONS, 0, n)) for n, value in enumerate(written)
    )
    assert isinstance(choice, RecommendationRow)
    assert isinstance(reward, RecommendationRow)
    assert (choice.type, choice.reward, reward.type, reward.reward) == ("choice", None, "reward", 1.0)
    assert choice.insight_id == reward.insight_id
    assert set(msgspec.json.decode(choice.probabilities or "")) == {"guide", "wait"}
    assert reward.probabilities is None
    assert erasure == RecommendationErasureRow(Position(RECOMMENDATIONS, 0, 2), "user", "u1")


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        insight_record(1, at="yesterday"),
        insight_record(1, at="2019-10-01T00:00:00"),
        insight_record(1, id="no uuid"),
        insight_record(1, explanation={}),
        insight_record(1).replace(b'"views"', b'"\xff"'),
        insight_record(1, evidence=0).replace(b'"evidence":0', b'"evidence":' + b"[" * 50_000 + b"]" * 50_000),
    ],
)
def test_unreadable_insight_is_none(value: bytes | None) -> None:
    assert read_insight(value, AT) is None


def test_pane_beyond_the_calendar_is_none() -> None:
    count = WindowCount("shop", "user", 0, 10**17, 300_000, "events", "view", 1)
    assert read_window(msgspec.json.encode(count), Position(WINDOWS, 0, 1)) is None


def test_nul_becomes_the_replacement_character_everywhere() -> None:
    value = insight_record(1, label="a\0b", evidence={"k\0": "\0\0"})
    row = read_insight(value, AT)
    assert row is not None
    assert row.label == "a\ufffdb"
    assert json.loads(row.evidence) == {"k\ufffd": "\ufffd\ufffd"}


@given(st.text(st.characters() | st.sampled_from(["\0", "\\", "u", "0", "\ud83d", "\ude00"])))
def test_storable_json_keeps_all_but_nul_and_lone_surrogates(text: str) -> None:
    # json writes lone surrogates as escapes, and reads a high one followed by a low one as one character
    written = json.dumps(text).encode()
    paired = json.loads(written)
    expected = "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in paired)
    assert json.loads(storable(written)) == expected


@pytest.mark.parametrize("read", READERS)
@given(value=st.binary())
def test_any_bytes_never_raise(read: Reader, value: bytes) -> None:
    read(value, AT)
