"""How single values are read: from several columns, from inside JSON, filtered, scaled, hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubi_stream.mappings.getters import make_getter
from ubi_stream.mappings.ids import hidden
from ubi_stream.mappings.mapper import Mapper
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.paths import path_reader, steps_of
from ubi_stream.mappings.specs import FileSpec, ValueSpec
from ubi_stream.mappings.values import as_string

KEY = b"a key"


def read(spec: dict[str, Any], row: dict[str, Any], empty: tuple[str, ...] = ()) -> tuple[Any, int]:
    """What is read from a row, and how many values were not of their type."""
    unread: Counter[str] = Counter()
    layout = FileSpec(empty=frozenset(empty))
    get = make_getter(ValueSpec.model_validate(spec), layout, as_string, lambda: unread.update("x"), KEY)
    return get(row), unread.total()


@pytest.mark.parametrize(
    ("spec", "row", "expected", "unread"),
    [
        ({"first_of": ["a", "b"]}, {"a": "", "b": "x"}, "x", 0),
        ({"first_of": ["a", "b"]}, {"a": "y", "b": "x"}, "y", 0),
        ({"first_of": ["a", "b"]}, {}, None, 0),
        ({"first_of": ["a", "b"], "type": "number"}, {"b": "1.5"}, 1.5, 0),
        ({"first_of": ["a", "b"], "type": "number"}, {"a": "free", "b": "1.5"}, {"unreadable": "free"}, 1),
        ({"first_of": ["a", {"column": "b", "hash": True}]}, {"b": "x"}, hidden(KEY, "x"), 0),
        ({"first_of": [{"join": ["a", "b"]}, "a"]}, {"a": "x"}, "x", 0),
        ({"first_of": ["a"], "values": {"x": "y"}}, {"a": "x"}, "y", 0),
        ({"join": ["a", "b"]}, {"a": "x", "b": 5}, "x 5", 0),
        ({"join": ["a", "b"]}, {"a": "x", "b": ""}, None, 0),
        ({"column": "a", "hash": True}, {"a": 17}, hidden(KEY, "17"), 0),
        ({"column": "a", "hash": True}, {"a": ["x"]}, {"unreadable": ["x"]}, 1),
        ({"column": "a", "hash": True}, {"a": "-"}, None, 0),
        ({"column": "a", "type": "number", "scale": 0.01}, {"a": "1999"}, 19.99, 0),
        ({"column": "a", "type": "number", "scale": 1000}, {"a": "0.25"}, 250.0, 0),
        ({"column": "a", "type": "number", "scale": 0.01}, {"a": "x"}, {"unreadable": "x"}, 1),
        ({"column": "u", "matches": {"^/s": "search", "^/": "page_view"}}, {"u": "/s?q"}, "search", 0),
        ({"column": "u", "matches": {"^/s": "search", "^/": "page_view"}}, {"u": "/x"}, "page_view", 0),
        ({"column": "u", "matches": {"^/s": "search"}}, {"u": "x"}, "x", 0),
    ],
)
def test_values(spec: dict[str, Any], row: dict[str, Any], expected: Any, unread: int) -> None:
    assert read(spec, row, empty=("-",)) == (expected, unread)


@pytest.mark.parametrize(
    ("path", "row", "expected"),
    [
        ("a", {"a": 1}, 1),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a.b": 2, "a": {"b": 1}}, 2),
        ("a.b", {"a": '{"b": 3}'}, 3),
        ("a.b.c", {"a": '{"b": "{\\"c\\": 4}"}'}, 4),
        ("a.b", {"a": "{"}, None),
        (r"a.b\.c", {"a": {"b.c": 5}}, 5),
        ("a[1]", {"a": [1, 2]}, 2),
        ("a[2]", {"a": [1, 2]}, None),
        ("a[0].b", {"a": [{"b": 6}]}, 6),
        ("a[k=x].v", {"a": [{"k": "y", "v": 1}, {"k": "x", "v": 7}]}, 7),
        ("a[k=x].v", {"a": [5, {"k": "y"}]}, None),
        ("price [EUR]", {"price [EUR]": 8}, 8),
        ("a..b", {"a..b": 9}, 9),
    ],
)
def test_paths(path: str, row: dict[str, Any], expected: Any) -> None:
    assert path_reader(path)(row) == expected


@given(st.text(), st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text(), st.integers()), max_size=4))
def test_no_path_raises_and_a_column_of_the_whole_name_comes_first(path: str, row: dict[str, Any]) -> None:
    assert steps_of(path)
    path_reader(path)(row)
    assert path_reader(path)({**row, path: "here"}) == "here"


WHERE = """
description = "x"
[event]
event_time = { join = ["day", "time"], format = "%Y-%m-%d %H:%M" }
event_type = { constant = "view" }
user_id = "u"
[[where]]
"""


@pytest.mark.parametrize(
    ("condition", "kept", "left_out"),
    [
        ('column = "k"\none_of = ["a", 5]', ["a", 5, "5"], {"b": "k = b", "": "k is empty", None: "k is empty"}),
        ('column = "k"\nnone_of = ["a", ""]', ["b", 5], {"a": "k = a", "": "k is empty"}),
        ('column = "k"\nmatches = "^a"', ["ab"], {"b": "k does not match ^a", "": "k does not match ^a"}),
        ('column = "k"\nmatches_not = "^a"', ["b", "", None], {"ab": "k matches ^a"}),
    ],
)
def test_rows_that_do_not_fit_are_counted_by_what_they_had(
    make_mapping: Callable[[str], Mapping], condition: str, kept: list[Any], left_out: dict[Any, str]
) -> None:
    mapper = Mapper(make_mapping(WHERE + condition))
    assert all(mapper.keeps({"k": value}) for value in kept)
    assert not mapper.left_out
    for value, name in left_out.items():
        assert not mapper.keeps({"k": value})
        assert mapper.left_out.pop(name) == 1


def test_a_column_of_free_text_does_not_fill_the_memory(make_mapping: Callable[[str], Mapping]) -> None:
    mapper = Mapper(make_mapping(WHERE + 'column = "k"\none_of = ["a"]'))
    assert not any(mapper.keeps({"k": str(number)}) for number in range(5_000))
    assert (len(mapper.left_out), mapper.left_out.total()) == (1_001, 5_000)


def test_a_day_and_a_time_of_day_in_two_columns(make_mapping: Callable[[str], Mapping]) -> None:
    mapper = Mapper(make_mapping(WHERE + 'column = "k"\nnone_of = ["a"]'))
    assert [ms for _, ms in mapper.events({"day": "2026-11-02", "time": "10:00", "u": "x"})] == [1_793_613_600_000]
    [(event, time_ms)] = mapper.events({"day": "2026-11-02", "u": "x"})
    assert (time_ms, "event_time" in event) == (None, False)


def test_hashes_depend_on_the_key() -> None:
    assert hidden(b"one", "192.0.2.1") != hidden(b"two", "192.0.2.1")
