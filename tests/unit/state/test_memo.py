"""The memo: cool-downs that begin, end and are forgotten."""

from __future__ import annotations

from ubi_stream.state.history import MAX_COOL_DOWNS, InsightHistory


def test_a_subject_is_quiet_until_its_cool_down_is_over() -> None:
    history = InsightHistory()
    history.be_quiet("s", 10, now_ms=0)
    assert history.is_quiet("s", 9)
    assert not history.is_quiet("s", 10)
    assert not history.is_quiet("other", 0)


def test_cool_downs_that_are_over_are_dropped() -> None:
    history = InsightHistory()
    for n in range(40):
        history.be_quiet(f"s{n}", n + 10, now_ms=n)
    assert sorted(history.quiet_until_ms.values()) == list(range(40, 50))


def test_of_too_many_the_one_that_ends_first_gives_way() -> None:
    history = InsightHistory()
    for n in range(MAX_COOL_DOWNS + 1):
        history.be_quiet(f"s{n}", 1000 - n, now_ms=0)
    assert len(history.quiet_until_ms) == MAX_COOL_DOWNS
    assert f"s{MAX_COOL_DOWNS}" not in history.quiet_until_ms
