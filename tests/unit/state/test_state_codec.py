"""States as bytes."""

from __future__ import annotations

from collections.abc import Callable
from zlib import crc32

import msgspec
import pytest

from support.folding import Runner, fold_all
from support.probe import DAY_MS, START_MS, event
from ubi_stream.errors import RecoveryError
from ubi_stream.state.codec import StateHeader, decode_header, decode_state, encode_header, encode_state, newer_state
from ubi_stream.state.model import UserState


def state_of(applied: int = 3) -> UserState:
    state = fold_all(event(session_id="s"), event(event_type="purchase", price=1.5, category="c", latency_ms=3))
    state.applied, state.forwarded, state.recent_ids = applied, {"ubi.events/0": 7}, {-5: 1, 9: 2}
    return state


def with_checksum(content: bytes) -> bytes:
    return content + crc32(content).to_bytes(4, "big")


def test_a_state_comes_back_as_it_was_with_its_header() -> None:
    state = state_of()
    header, back = decode_state(encode_state(state, epoch=2**63 - 1, offset=-1))
    assert back == state
    assert header == StateHeader(2**63 - 1, START_MS, 3, -1, 0)
    assert list(back.recent_ids) == [-5, 9]  # in order: the oldest goes first


def test_the_header_can_be_read_without_the_rest() -> None:
    blob = encode_state(state_of(), epoch=1, offset=5)
    assert decode_header(blob[:41]).offset == 5


@pytest.mark.parametrize("blob", [b"", b"\x03", b"\x01" + bytes(40), bytes(48)])
def test_what_is_no_state_is_told(blob: bytes) -> None:
    with pytest.raises(RecoveryError, match="version 3 was expected"):
        decode_header(blob)


@pytest.mark.parametrize("damage", [lambda blob: blob[:-3], lambda blob: blob[:50] + b"?" + blob[51:]])
def test_a_damaged_state_is_told_and_does_not_win_by_its_header(damage: Callable[[bytes], bytes]) -> None:
    older, newer = (encode_state(state_of(n), epoch=1, offset=5) for n in (3, 4))
    for read in (decode_state, lambda blob: newer_state(older, blob)):
        with pytest.raises(RecoveryError, match="damaged"):
            read(damage(newer))


def test_what_has_a_checksum_but_no_state_is_told() -> None:
    with pytest.raises(RecoveryError, match="can't be read"):
        decode_state(with_checksum(encode_state(state_of(), epoch=1, offset=5)[:41] + b"?"))


def test_a_state_of_an_older_release_gets_defaults() -> None:
    blob = encode_state(state_of(), epoch=1, offset=5)
    fields = msgspec.msgpack.decode(blob[41:-4])
    then = UserState.__struct_fields__.index("applied")
    older = with_checksum(blob[:41] + msgspec.msgpack.encode(fields[:then]))
    assert decode_state(older)[1].applied == 0


def test_the_record_with_more_in_it_is_the_newer_one() -> None:
    older, newer = (encode_state(state_of(n), epoch=1, offset=5) for n in (3, 4))
    assert newer_state(older, newer)
    assert newer_state(newer, newer)
    assert not newer_state(newer, older)


def test_who_was_forgotten_and_came_back_is_newer_though_with_less_in_it() -> None:
    before, back = state_of(50), state_of(1)
    before.last_ms, back.last_ms = START_MS, START_MS + 9 * DAY_MS
    tombstone = encode_header(before, epoch=1, offset=5)
    older, newer = (encode_state(state, epoch=1, offset=5) for state in (before, back))
    assert newer_state(older, tombstone)
    assert newer_state(older, newer)
    assert newer_state(tombstone, newer)
    assert not newer_state(newer, tombstone)


def test_a_state_that_began_anew_is_newer_than_the_one_it_was_before() -> None:
    runner = Runner()
    runner.run(*(event(at_ms=START_MS + n) for n in range(9)))
    runner.partition.take_checkpoint()
    before = runner.states[b"u1"]
    runner.run(event(at_ms=START_MS + DAY_MS + 10))  # the only user: nothing else moved the watermark
    runner.partition.take_checkpoint()
    assert decode_state(runner.states[b"u1"])[1].events == 1
    assert newer_state(before, runner.states[b"u1"])
    assert not newer_state(runner.states[b"u1"], before)


def test_of_two_epochs_the_later_written_is_newer() -> None:
    local, theirs = (encode_state(state_of(), epoch=epoch, offset=5) for epoch in (9, 2))
    assert newer_state(local, theirs)
    assert newer_state(theirs, local)


def test_a_usual_state_is_below_a_kilobyte() -> None:
    events = [
        event(
            at_ms=START_MS + n * 3_000_000,
            event_type=["view", "view", "cart", "purchase"][n % 4],
            session_id=f"s{n // 9}",
            category=f"c{n % 6}",
            price=n * 1.37,
            latency_ms=90 + n,
        )
        for n in range(60)
    ]
    assert len(encode_state(fold_all(*events), epoch=1, offset=1)) < 1500
