"""A mapping for a file of no known form, by the names of its columns and what is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from ubi_stream.data.forms import names
from ubi_stream.data.forms.recognise import renamed
from ubi_stream.data.forms.sample import Sample
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.paths import root_of
from ubi_stream.mappings.times import time_reader
from ubi_stream.mappings.values import as_number, as_string, number_reader
from ubi_stream.packs.schema import Pack

_MOST: Final = 0.9
_FIRST_MS, _LAST_MS = 631_152_000_000, 4_102_444_800_000
_ID: Final = re.compile(r"[\w.:@+-]*[^\W\d_][\w.:@+-]*|\d{4,}")
"""What an id looks like: no white space, and a letter or many digits."""
_MOST_TYPES: Final = 40
_DAYS: Final = ("%d.%m.%Y", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y")
_HOURS: Final = (" %H:%M:%S", " %H:%M", "T%H:%M:%S", " %I:%M:%S %p", " %I:%M %p", "")
_FORMATS: Final = (
    *("iso", "ms", "s", "us", "ns", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f UTC"),
    *("%d/%b/%Y:%H:%M:%S %z", "%Y%m%d%H%M%S", "%Y%m%d"),
    *(day + hour for day in _DAYS for hour in _HOURS),
)
_NUMBERS: Final = ((",", ""), (",", "."), (".", ","), (",", " "), (",", "\N{NO-BREAK SPACE}"), (".", "'"))

Ask = Callable[[str, str], str]
"""Asks for a column: the question, and the best guess; returns the answer."""


class Asked(msgspec.Struct, frozen=True):
    """Columns that somebody named; None for each that is to be guessed."""

    time: str | None = None
    user: str | None = None
    event_type: str | None = None
    timezone: str = "UTC"


def guess_mapping(sample: Sample, pack: Pack, name: str, asked: Asked, ask: Ask) -> tuple[Mapping, list[str]]:
    """A mapping, and in sentences what was guessed.

    Raises
    ------
    ConfigError
        No column looks like a time or a user, and nobody named one; or there is no such column.
    """
    time = _column("time", asked.time, _time_columns(sample), sample, ask, "--time")
    user = _column("user", asked.user, _user_columns(sample, time), sample, ask, "--user")
    types = _type_columns(sample, {time, user})
    question = "Which column says what happened (or =view: each row is a view)"
    kind = asked.event_type or ask(question, next(iter(types), "=view"))
    time_format, ambiguous = _time_format(sample.values(time))
    sentences = [f"Time: {time} ({time_format}, {asked.timezone} where it names no zone)", f"User: {user}"]
    if user not in names.column_like(names.USER_NAMES, sample.columns):
        sentences.append(f"No column is called like a user, so {user} is one by its content alone: is that right?")
    if ambiguous:
        sentences.append(f"Days and months look alike in {time}: read as {time_format}; correct it if that is wrong")
    event: dict[str, Any] = {"event_time": _time(time, time_format, sample, sentences) | {"timezone": asked.timezone}}
    event["user_id"] = {"column": user}
    if any(names.PERSONAL.fullmatch(str(value)) for value in sample.values(user)[:50]):
        event["user_id"]["hash"] = True
        sentences.append(f"{user} holds addresses of people: hashed")
    event["event_type"] = _event_type(kind, sample, sentences)
    used = {time, user, kind}
    for field, pattern in (("session_id", names.SESSION_NAMES), ("event_id", names.EVENT_ID_NAMES)):
        found = [one for one in names.column_like(pattern, sample.columns) if one not in used]
        if found and (field != "event_id" or _is_unique(sample.values(found[0]))):
            event[field] = {"column": found[0]}
            used.add(found[0])
            sentences.append(f"{field}: {found[0]}")
    table = {
        "description": f"Guessed from the columns of {name}",
        "pack": pack.name,
        "file": _layout(sample),
        "event": event,
        "properties": _properties(sample, pack, used, sentences),
    }
    if currency := names.column_like("currency(_code)?", sample.columns):
        table["context"] = {"currency": {"column": currency[0]}}
    return fit_numbers(renamed(Mapping.model_validate(table), name), sample, sentences), sentences


def place_types(mapping: Mapping, found: Iterable[str], pack: Pack, sentences: list[str]) -> Mapping:
    """A mapping in which types that the pack does not know are those that they usually stand for."""
    placed = {name: kind for name in found if (kind := names.place_type(name, pack.events.types)) not in (None, name)}
    if not placed or mapping.event is None or mapping.event.event_type.constant is not None:
        return mapping
    spec = mapping.event.event_type
    values = {**spec.values, **placed}
    event = mapping.event.model_copy(update={"event_type": spec.model_copy(update={"values": values})})
    sentences.append("Event types: " + ", ".join(f"{name} is {kind}" for name, kind in placed.items()))
    return renamed(mapping.model_copy(update={"event": event}), mapping.name)


def fit_numbers(mapping: Mapping, sample: Sample, sentences: list[str]) -> Mapping:
    """A mapping that reads the numbers of a file as they are written, where that is plain from them."""
    specs = [spec for spec in mapping.properties.values() if spec.type == "number" and spec.number is None]
    texts = [v for spec in specs for path in spec.paths() for v in sample.values(path) if isinstance(v, str)]
    texts = [text for text in texts if text not in mapping.file.empty]
    if not texts:
        return mapping

    def read(convert: Callable[[Any], Any]) -> int:
        return sum(isinstance(convert(text), float) for text in texts)

    signs = sorted({sign for text in texts for sign in re.findall(r"[€$£¥]|EUR|USD|GBP|CHF", text)})
    best = max(_NUMBERS, key=lambda marks: read(number_reader(marks[0], marks[1], signs)))
    fits = read(number_reader(best[0], best[1], signs))
    usual = mapping.file.number
    now = as_number if usual is None else number_reader(usual.decimal, usual.thousands, usual.signs)
    if fits <= read(now) or fits < _MOST * len(texts):
        return mapping
    number = {"decimal": best[0], "thousands": best[1], "signs": signs}
    sentences.append(f"Numbers: decimal {best[0]!r}, thousands {best[1]!r}, signs {' '.join(signs) or 'none'}")
    table = mapping.model_dump(exclude_unset=True)
    table["file"] = {**table.get("file", {}), "number": number}
    return renamed(Mapping.model_validate(table), mapping.name)


def fit_time(mapping: Mapping, sample: Sample, sentences: list[str]) -> Mapping:
    """A mapping that reads the times of a file, where they are of another form than usual."""
    if mapping.event is None or mapping.file.each is not None or mapping.event.event_time.join is not None:
        return mapping
    time = mapping.event.event_time
    values = next((found for path in time.paths() if (found := sample.values(path))), [])
    if not values or _share(values, time.format) >= _MOST:
        return mapping
    other, _ = _time_format(values)
    if _share(values, other) < _MOST:
        return mapping
    sentences.append(f"Times are written as {other}, not as {time.format}")
    event = mapping.event.model_copy(update={"event_time": time.model_copy(update={"format": other})})
    return renamed(mapping.model_copy(update={"event": event}), mapping.name)


def _column(what: str, named: str | None, guesses: list[str], sample: Sample, ask: Ask, flag: str) -> str:
    column = named or (ask(f"Which column is the {what}", guesses[0]) if guesses else "")
    if not column and any(_share([name], "iso") for name in sample.columns):
        raise ConfigError(
            "the first line looks like a row, not like a header: name the columns in a mapping (columns = [...] under "
            "[file]; docs/mappings.md), or put a line with their names before it"
        )
    if not sample.columns:
        raise ConfigError("no row of the file can be read")
    if not column:
        raise ConfigError(f"no column looks like a {what}: name it with {flag}; there are {', '.join(sample.columns)}")
    if column not in sample.columns:
        raise ConfigError(f"there is no column {column!r} for the {what}; there are {', '.join(sample.columns)}")
    return column


def _time_columns(sample: Sample) -> list[str]:
    """Columns with times: those that are called so, then others whose texts are more than numbers."""
    readable = [one for one in sample.columns if _share(values := sample.values(one), _time_format(values)[0]) >= _MOST]
    called = [one for one in names.column_like(names.TIME_NAMES, sample.columns) if one in readable]
    return called + [one for one in readable if one not in called and not str(sample.values(one)[0]).isdigit()]


def _time(column: str, time_format: str, sample: Sample, sentences: list[str]) -> dict[str, Any]:
    """The time of one column; a day alone takes its time of day from a column beside it."""
    is_day = "%d" in time_format and not re.search("%[HI]", time_format)
    if time_format == "iso":
        is_day = all(len(str(value).strip()) == len("2026-11-02") for value in sample.values(column))
    for other in sample.columns if is_day else ():
        texts = [str(value) for value in sample.values(other)]
        for pattern, hour in ((r"\d{1,2}:\d{2}", "%H:%M"), (r"\d{1,2}:\d{2}:\d{2}", "%H:%M:%S")):
            if texts and all(re.fullmatch(pattern, text) for text in texts):
                sentences.append(f"Time of day: {other}")
                day = "%Y-%m-%d" if time_format == "iso" else time_format
                return {"join": [column, other], "format": f"{day} {hour}"}
    return {"column": column, "format": time_format}


def _user_columns(sample: Sample, time: str) -> list[str]:
    """Columns that are called so; without any, texts like ids that come again, those of most people first."""
    called = [one for one in names.column_like(names.USER_NAMES, sample.columns) if one != time and sample.values(one)]
    others = {one: {str(value) for value in sample.values(one)} for one in sample.columns if one != time}
    others = {
        one: found
        for one, found in others.items()
        if 1 < len(found) < len(sample.rows) and all(map(_ID.fullmatch, found)) and not any(map(_is_usual, found))
    }
    return called or sorted(others, key=lambda one: -len(others[one]))


def _type_columns(sample: Sample, used: set[str]) -> list[str]:
    """Columns with usual event types, then those that are called so and have few different texts."""
    texts = {one: {str(value) for value in sample.values(one)} for one in sample.columns if one not in used}
    few = {one: found for one, found in texts.items() if 0 < len(found) <= _MOST_TYPES}
    usual = [one for one, found in few.items() if 2 * sum(map(_is_usual, found)) >= len(found)]
    called = [one for one in names.column_like(names.TYPE_NAMES, texts) if one in few]
    return list(dict.fromkeys([*(one for one in called if one in usual), *usual, *called]))


def _is_usual(name: str) -> bool:
    return names.place_type(name, _SHOP) is not None


_SHOP: Final = ("view", "cart", "purchase", "page_view", "checkout", "search", "remove_from_cart", "login", "favourite")


def _event_type(kind: str, sample: Sample, sentences: list[str]) -> dict[str, Any]:
    if kind.startswith("="):
        sentences.append(f"Event type: each row is {kind[1:]}")
        return {"constant": kind[1:]}
    if kind not in sample.columns:
        raise ConfigError(f"there is no column {kind!r} for the event type; there are {', '.join(sample.columns)}")
    sentences.append(f"Event type: {kind}")
    return {"column": kind}


def _properties(sample: Sample, pack: Pack, used: set[str], sentences: list[str]) -> dict[str, Any]:
    """Columns for what the pack has roles for."""
    found: dict[str, Any] = {}
    for role, pattern in names.ROLES.items():
        target = getattr(pack.events.roles, role, None)
        columns = [one for one in names.column_like(pattern, sample.columns) if one not in used and sample.values(one)]
        if target is None or not columns:
            continue
        found[target] = {"column": columns[0]} | ({"type": "number"} if role in ("amount", "latency") else {})
        used.add(columns[0])
        sentences.append(f"{target}: {columns[0]}")
    return found


def _layout(sample: Sample) -> dict[str, Any]:
    return {"delimiter": sample.delimiter} if sample.kind == "table" and sample.delimiter != "," else {}


def fit_encoding(mapping: Mapping, sample: Sample, sentences: list[str]) -> Mapping:
    """A mapping that reads the text of a file, where it is not UTF-8."""
    if sample.encoding == mapping.file.encoding:
        return mapping
    sentences.append(f"The text is not UTF-8: read as {sample.encoding}")
    file = mapping.file.model_copy(update={"encoding": sample.encoding})
    return renamed(mapping.model_copy(update={"file": file}), mapping.name)


def absent(mapping: Mapping, sample: Sample) -> list[str]:
    """Properties and the like that a mapping reads from columns which a table does not have."""
    there = {*sample.columns, *map(root_of, sample.columns)}
    found: dict[str, bool] = {}
    for path, key in mapping.columns().items():
        found[key] = found.get(key, False) or path in there or root_of(path) in there
    return [key for key, is_there in found.items() if not is_there] if sample.kind == "table" else []


def _is_unique(values: list[Any]) -> bool:
    return len({str(as_string(value)) for value in values}) == len(values) > 0


def _share(values: list[Any], time_format: str) -> float:
    """Share of the values that are likely times of a format."""
    read = time_reader(time_format, "UTC")
    likely = sum((ms := read(value)) is not None and _FIRST_MS <= ms < _LAST_MS for value in values)
    return likely / len(values) if values else 0.0


def _time_format(values: list[Any]) -> tuple[str, bool]:
    """The format that reads most of the values, and whether another order of day and month does so as well."""
    some = values[:: max(1, len(values) // 200)]
    shares = Counter({one: _share(some, one) for one in _FORMATS})
    best = max(_FORMATS, key=lambda one: shares[one])
    swapped = best.replace("%m/%d", "%d/%m")
    return best, swapped != best and shares[swapped] == shares[best]
