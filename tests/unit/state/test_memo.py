"""The memo: cool-downs that begin, end and are forgotten."""

from __future__ import annotations

from ubi_stream.state.memo import MAX_COOL_DOWNS, Memo


def test_a_subject_is_quiet_until_its_cool_down_is_over() -> None:
    memo = Memo()
    memo.be_quiet("s", 10, now_ms=0)
    assert memo.is_quiet("s", 9)
    assert not memo.is_quiet("s", 10)
    assert not memo.is_quiet("other", 0)


def test_cool_downs_that_are_over_are_dropped() -> None:
    memo = Memo()
    for n in range(40):
        memo.be_quiet(f"s{n}", n + 10, now_ms=n)
    assert sorted(memo.quiet_until_ms.values()) == list(range(40, 50))


def test_of_too_many_the_one_that_ends_first_gives_way() -> None:
    memo = Memo()
    for n in range(MAX_COOL_DOWNS + 1):
        memo.be_quiet(f"s{n}", 1000 - n, now_ms=0)
    assert len(memo.quiet_until_ms) == MAX_COOL_DOWNS
    assert f"s{MAX_COOL_DOWNS}" not in memo.quiet_until_ms
