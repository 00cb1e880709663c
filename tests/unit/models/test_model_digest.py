"""Digests: equal for equal models, different for any difference."""

from __future__ import annotations

import collections
import functools
import pickle
import random
from typing import Any

import numpy as np
import pytest

from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.common.digest import digest


class Node:
    """Part of a graph with cycles."""

    def __init__(self, value: object, following: Node | None = None) -> None:
        self.value = value
        self.following = following


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        (1.0, 1.0000000000000002),
        ("1", b"1"),
        ("", None),
        ([], ()),
        ([1, 2], [2, 1]),
        ([[1], 2], [[1, 2]]),
        ({"a": 1}, {"a": 2}),
        ({1}, frozenset({1})),
        (np.zeros(2), np.zeros((2, 1))),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (np.zeros(2), np.array([0.0, -0.0])),
        (collections.deque([1], maxlen=2), collections.deque([1], maxlen=3)),
        (collections.Counter("a"), {"a": 1}),
        (functools.partial(int, base=2), functools.partial(int, base=8)),
        (random.Random(1), random.Random(2)),
        (Node(1), Node(2)),
        (Slotted(1), Slotted(2)),
        (Node, Slotted),
        (HalfSpaceForest(seed=1), HalfSpaceForest(seed=2)),
    ],
)
def test_any_difference_is_noticed(one: object, other: object) -> None:
    assert digest(one) != digest(other)
    assert digest(one) == digest(pickle.loads(pickle.dumps(one)))  # noqa: S301 - written on the line itself


def test_order_of_dicts_and_sets_does_not_count() -> None:
    assert digest({"a": [1], "b": (2,)}) == digest({"b": (2,), "a": [1]})
    assert digest({f"name {i}" for i in range(99)}) == digest({f"name {i}" for i in reversed(range(99))})


def test_sharing_does_not_count() -> None:
    shared = [1.5]
    assert digest([shared, shared]) == digest([[1.5], [1.5]])


def test_state_that_is_equal_after_other_ways_of_learning_is_equal() -> None:
    rows = np.random.default_rng(0).random((700, 1))
    whole, parts = HalfSpaceForest(), HalfSpaceForest()
    whole.learn_many(rows)
    for row in rows:
        parts.learn_many(row[np.newaxis])
    assert digest(whole) == digest(parts)
    parts.learn_many(rows[:1])
    assert digest(whole) != digest(parts)


def test_cycles_end() -> None:
    def ring(*values: int) -> Node:
        nodes = [Node(value) for value in values]
        for node, following in zip(nodes, nodes[1:] + nodes[:1], strict=True):
            node.following = following
        return nodes[0]

    assert digest(ring(1, 2, 3)) == digest(ring(1, 2, 3)) != digest(ring(1, 2, 4))


def test_what_cannot_be_pickled_is_an_error() -> None:
    generator: Any = (i for i in range(3))
    with pytest.raises(TypeError):
        digest({"generator": generator})
