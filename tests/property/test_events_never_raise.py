"""Any bytes at all become an event or a dead letter, and change nothing about their neighbours."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from support.probe import START_MS, event, record
from ubi_stream.events.stage import ReadBatch, read_events
from ubi_stream.events.validate import FIELDS, Validator
from ubi_stream.insights.encoding import encode_dead_letter
from ubi_stream.packs.schema import Events

EVENTS = Events(types=("view", "purchase"))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["view", "purchase", "$label", "2023-11-15T00:00:00Z", START_MS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
almost_events = st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=4), json_values, max_size=10)
headers = st.lists(
    st.tuples(st.sampled_from(["ubi-source-topic", "ubi-source-offset", "ubi-sender", "x"]), st.binary(max_size=9)),
    max_size=4,
).map(tuple)


def encoded(value: dict[str, Any]) -> bytes:
    """JSON, whatever half surrogates a key may have."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return repr(value).encode("utf-8", "replace")


@st.composite
def mangled_events(draw: st.DrawFn) -> bytes:
    """A good event with a few bytes cut out, put in or changed."""
    value = bytearray(msgspec.json.encode(event(session_id="s", price=1.5, sent_at=START_MS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(value)))
        value[place : place + draw(st.integers(0, 5))] = draw(st.binary(max_size=3))
    return bytes(value)


garbage = st.none() | st.binary(max_size=200) | almost_events.map(encoded) | mangled_events()


@settings(max_examples=300, deadline=None)
@given(value=garbage, headers=headers, forwarded=st.booleans(), timestamp_ms=st.integers(-1, 2**50))
def test_any_bytes_come_to_one_outcome(
    value: bytes | None, headers: tuple[tuple[str, bytes], ...], forwarded: bool, timestamp_ms: int
) -> None:
    sample = record(value, timestamp_ms=timestamp_ms, headers=headers)
    outcome = read_events([sample], Validator(EVENTS, ("shop_id",)), forwarded=forwarded)
    assert len(outcome.events) + len(outcome.dead_letters) + len(outcome.unwanted) == 1
    for letter in outcome.dead_letters:
        assert letter.path.startswith("$")
        assert msgspec.json.decode(encode_dead_letter(letter))["reason"] == letter.reason.value
    for found in outcome.events:
        assert found.user_id
        assert 0 <= found.event_time_ms <= found.origin.timestamp_ms + 86_400_000


@settings(max_examples=100, deadline=None)
@given(st.lists(garbage, max_size=8), st.integers(0, 8))
def test_garbage_does_not_touch_its_neighbours(values: list[bytes | None], place: int) -> None:
    good = [record(event(f"user-{n}", event_id=f"e{n}"), offset=n) for n in range(5)]
    bad = [record(value, offset=100 + n) for n, value in enumerate(values)]
    mixed = [*good[: place % 5], *bad, *good[place % 5 :]]
    alone, among = _read(good), _read(mixed)
    local = {sample.offset for sample in good}
    assert [found for found in among.events if found.offset in local] == alone.events


def _read(samples: list[Any]) -> ReadBatch:
    return read_events(samples, Validator(EVENTS), forwarded=False)
