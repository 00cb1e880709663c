"""Probabilities by counting."""

from __future__ import annotations

from random import Random

import pytest

from ubi_stream.rules.frequency import MOST_CASES, FrequencyTable


def learned(cases: list[tuple[str, int, bool]], warm_up: int = 0) -> FrequencyTable:
    table = FrequencyTable(warm_up=warm_up)
    for group, cell, positive in cases:
        table.learn(group, cell, positive)
    return table


def test_it_says_nothing_before_it_has_seen_enough_and_how_much_it_has_seen() -> None:
    table = learned([("a", 0, True)] * 2, warm_up=3)
    assert table.probability("a", 0) is None
    assert table.status() == {"status": "warming_up", "n": 2, "of": 3}
    table.learn("a", 0, True)
    assert table.probability("a", 0) is not None


def test_a_cell_without_cases_says_what_its_group_says_and_a_group_without_what_all_say() -> None:
    table = learned([("a", 0, True)] * 200 + [("b", 0, False)] * 200)
    in_a, elsewhere = table.probability("a", 7), table.probability("c", 0)
    assert in_a is not None
    assert in_a > 0.9
    assert elsewhere == pytest.approx(0.5, abs=0.01)


def test_it_is_never_certain() -> None:
    sure = learned([("a", 0, True)] * 5000).probability("a", 0)
    assert sure is not None
    assert 0.99 < sure < 1.0


def test_each_cell_comes_to_its_own_share_and_follows_when_that_changes() -> None:
    draw = Random(1)
    shares = {0: 0.1, 1: 0.5, 2: 0.95}
    table = FrequencyTable(warm_up=10)
    for _ in range(6000):
        cell = draw.randrange(3)
        table.learn("a", cell, draw.random() < shares[cell])
    for cell, share in shares.items():
        assert table.probability("a", cell) == pytest.approx(share, abs=0.03)
    for _ in range(4 * int(MOST_CASES)):
        table.learn("a", 0, True)
    assert (table.probability("a", 0) or 0) > 0.95
