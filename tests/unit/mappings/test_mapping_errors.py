"""A wrong mapping is refused with its file, the key, the value and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.mappings.model import Mapping, load_mapping

MakeMapping = Callable[..., Mapping]
HEAD = 'description = "A shop"\n'
EVENT = '[event]\nevent_time = "when"\nevent_type = "what"\nuser_id = "who"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (EVENT, ["description is missing"]),
        (HEAD, ["expected a table [event]"]),
        (HEAD + '[event]\nevent_time = "t"\nevent_type = "e"\n', ["event.user_id is missing"]),
        (HEAD + 'colour = "red"\n' + EVENT, ["colour = 'red'", "unknown key", "description, pack"]),
        (HEAD + EVENT + 'usr = "x"\n', ["event.usr = 'x'", "unknown key", "user_id"]),
        (HEAD + EVENT.replace('"who"', "5"), ["event.user_id = 5", "expected a column's name"]),
        (HEAD + EVENT.replace('"who"', "{}"), ["event.user_id = {}", "exactly one of column and constant"]),
        (HEAD + EVENT.replace('"who"', '{column = "a", constant = 1}'), ["exactly one of column and constant"]),
        (
            HEAD + EVENT.replace('"who"', '{first_of = ["a"], join = ["b", "c"]}'),
            ["exactly one of column and constant"],
        ),
        (
            HEAD + EVENT.replace('"when"', '{first_of = ["a"], column = "b"}'),
            ["exactly one of column, first_of and join"],
        ),
        (HEAD + EVENT.replace('"who"', '{column = "ip", hash = true, type = "int"}'), ["hash makes a text"]),
        (HEAD + EVENT.replace('"what"', '{column = "url", matches = {"(" = "view"}}'), ["regular expression"]),
        (HEAD + EVENT + '[properties]\ncents = {column = "c", scale = 0.01}\n', ['type = "number"']),
        (HEAD + EVENT + '[[where]]\ncolumn = "a"\n', ["exactly one of one_of, none_of, matches"]),
        (HEAD + EVENT + '[[where]]\ncolumn = "a"\nis = 5\n', ["where[0].is = 5", "unknown key", "none_of"]),
        (HEAD + "[file]\npattern = '('\n" + EVENT, ["file.pattern", "regular expression"]),
        (HEAD + "[file]\npattern = '.*'\n" + EVENT, ["file.pattern", "named groups"]),
        (HEAD + "[file]\npattern = '(?P<a>.*)'\ncolumns = ['a']\n" + EVENT, ["one of pattern and columns"]),
        (HEAD + EVENT.replace('"who"', '{constant = 1, type = "int"}'), ["a constant takes no other key"]),
        (HEAD + EVENT.replace('"who"', '{colum = "a"}'), ["event.user_id.colum = 'a'", "unknown key", "values"]),
        (HEAD + EVENT.replace('"when"', '{column = "t", fmt = "s"}'), ["event.event_time.fmt", "timezone"]),
        (
            HEAD + EVENT.replace('"when"', '{column = "t", format = "%H:%M"}'),
            ["event.event_time = ", "expected", "whole date"],
        ),
        (
            HEAD + EVENT.replace('"when"', '{column = "t", timezone = "Mars"}'),
            ["event.event_time = ", "unknown time zone 'Mars'"],
        ),
        (
            HEAD + EVENT + '[properties]\nprice = {column = "p", type = "money"}\n',
            ["properties.price.type = 'money'", "expected 'string', 'number'"],
        ),
        (HEAD + EVENT + '[[also]]\nafter = "soon"\nevent_type = "x"\n', ["also[0].after = 'soon'", '"3d"']),
        (HEAD + EVENT + '[[also]]\nafter = "3d"\n', ["also[0].event_type is missing"]),
        (HEAD + "[file]\ndelimiter = ';;'\n" + EVENT, ["file.delimiter = ';;'", "expected"]),
        (HEAD + "[file]\ndelimiter = '\"'\n" + EVENT, ["delimiter", "another character for quote"]),
        (HEAD + '[file]\ndelimiter = "\\n"\n' + EVENT, ["file.delimiter", "no line end"]),
        (HEAD + "[file]\nencoding = 'utf-9'\n" + EVENT, ["file.encoding = 'utf-9'", "latin-1"]),
        (HEAD + "[file]\nnumber = {decimals = ','}\n" + EVENT, ["file.number.decimals", "decimal, thousands, signs"]),
        (HEAD + "[file]\nnumber = {decimal = ',', thousands = ','}\n" + EVENT, ["file.number", "another character"]),
        (HEAD + EVENT + '[properties]\nprice = {column = "p", number = {decimal = ","}}\n', ['type = "number"']),
        (HEAD + EVENT.replace('"when"', '{column = "t", format = "%Y-%m-%d %I:%M"}'), ["%I", "%p"]),
        (HEAD + EVENT.replace('"when"', '{column = "t", format = "%Y-%m-%d %H:%M %p"}'), ["%p", "%I"]),
        (HEAD + EVENT.replace('"when"', '{column = "t", format = "%Y-%m-%d %H:%M %Z"}'), ["%Z", "%z"]),
        (HEAD + "[file]\ncolumns = ['a', 'a']\n" + EVENT, ["file.columns", "every column once"]),
        (HEAD + "rows_are_events = true\n" + EVENT, ["rows_are_events = true", "expected no event"]),
        ("description = \n[event]\n", ["is not TOML", "line 1"]),
    ],
)
def test_says_key_value_and_what_was_expected(make_mapping: MakeMapping, text: str, says: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        make_mapping(text)
    for part in ("shop.toml", *says):
        assert part in str(refused.value)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'amazon' is unknown; expected one of access_log, card_payments, .*rees46"):
        load_mapping("amazon")


@pytest.mark.parametrize("name", ["../mappings/rees46", "", "REES46"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError, match="is unknown"):
        load_mapping(name)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml can't be read: No such file"):
        load_mapping(tmp_path / "mine.toml")


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'description = "caf\xe9"')
    with pytest.raises(ConfigError, match="is not TOML"):
        load_mapping(path)


def test_shorthand_and_table_mean_the_same(make_mapping: MakeMapping) -> None:
    short = make_mapping(HEAD + EVENT)
    long = make_mapping(HEAD + EVENT.replace('"who"', '{column = "who", type = "string"}'))
    assert short.columns() == long.columns()
    assert short.name == "shop"
    assert short.columns() == {"when": "event.event_time", "what": "event.event_type", "who": "event.user_id"}
