"""Query parameters: each known, each given once, each within its bounds; read into the Struct of the route."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
import msgspec.inspect
from aiohttp import web

from ubi_stream.events.limits import MAX_ID_BYTES
from ubi_stream.web.problems import invalid

_MAX_TEXT: Final = 512
_NUMBER: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_PLUS_LOST: Final = re.compile(r"(T.*) (\d\d:?\d\d)$")
"""A `+` of a time zone that was not percent-encoded arrives as a space."""

_TYPES: Final = frozenset({"string", "integer", "number", "boolean"})
_Q = TypeVar("_Q", bound=msgspec.Struct)


def read_query(query: Iterable[tuple[str, str]], kind: type[_Q]) -> _Q:
    """The parameters of a request as a Struct.

    Parameters
    ----------
    query
        Names and values, decoded, as they were sent.
    kind
        A Struct with text, whole numbers, numbers from 0 up, times, and choices among words.

    Raises
    ------
    ProblemError
        A parameter is unknown, given twice, empty, too long or not what its field says: a misspelt filter must not
        pass for no filter.
    """
    fields = _fields(kind)
    found: dict[str, Any] = {}
    for name, value in query:
        if name not in fields:
            raise invalid(f"There is no parameter {shortened(name)}; there are: {', '.join(fields) or 'none'}")
        if name in found:
            raise invalid(f"{name} is given twice")
        if not value or len(value) > _MAX_TEXT:
            raise invalid(f"{name} is empty or longer than {_MAX_TEXT} characters")
        if "\0" in value:
            raise invalid(f"{name} has a character that no text here has")
        found[name] = _read(name, value, fields[name].type)
    missing = [name for name, field in fields.items() if field.required and name not in found]
    if missing:
        raise invalid(f"{missing[0]} is missing")
    return msgspec.convert(found, kind)


def check_query(kind: type[msgspec.Struct]) -> None:
    """Refuse, at the start, a Struct that is no query.

    Raises
    ------
    TypeError
        A field is neither text, a number, a time nor a choice.
    """
    for field in _fields(kind).values():
        _schema(field.type)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Fields of a query by the names of its parameters: msgspec evaluates annotations anew each time."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _read(name: str, value: str, kind: Any) -> Any:
    schema = _schema(kind)
    words = schema.get("enum")
    try:
        if schema.get("format") == "date-time":
            return _time(value)
        if schema["type"] == "integer" and _WHOLE.fullmatch(value):
            return msgspec.convert(int(value), kind)
        if schema["type"] == "number" and _NUMBER.fullmatch(value):
            return msgspec.convert(float(value), kind)
        if schema["type"] == "string" or words:
            return msgspec.convert(value, kind)
        if schema["type"] == "boolean" and value in ("true", "false"):
            return value == "true"
    except (msgspec.ValidationError, ValueError, OverflowError):
        pass
    raise invalid(f"{name} is {shortened(value)}; expected {_expected(schema)}")


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(_PLUS_LOST.sub(r"\1+\2", text))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


@cache
def _schema(kind: Any) -> dict[str, Any]:
    """JSON Schema of a parameter's type, without the null of those that may be left out."""
    if is_time(kind):
        return {"type": "string", "format": "date-time"}  # msgspec's has no format unless a zone is required
    schema: dict[str, Any] = msgspec.json.schema(kind)
    defined = schema.pop("$defs", {})
    options: list[dict[str, Any]] = [schema, *schema.get("anyOf", [])]
    options += [defined[name] for option in options if (name := option.get("$ref", "").rpartition("/")[2])]
    for option in options:
        if option.get("type", "null") in _TYPES:
            return option
        if words := [word for word in option.get("enum", ()) if word is not None]:
            return {"type": "string", "enum": words}
    raise TypeError(f"no type of a parameter: {kind}")


def is_time(kind: Any) -> bool:
    """Whether a parameter is a time; it may be left out."""
    return _is_time(msgspec.inspect.type_info(kind))


def _is_time(info: msgspec.inspect.Type) -> bool:
    if isinstance(info, msgspec.inspect.Metadata):
        return _is_time(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return any(_is_time(one) for one in info.types)
    return isinstance(info, msgspec.inspect.DateTimeType)


def _expected(schema: Mapping[str, Any]) -> str:
    """What a schema asks for, in words.

    >>> _expected({"type": "integer", "minimum": 1, "maximum": 500})
    'a whole number from 1 to 500'
    """
    if "enum" in schema:
        return f"one of: {', '.join(schema['enum'])}"
    if schema.get("format") == "date-time":
        return "a time like 2019-10-01T12:00:00Z"
    bounds = [f"{word} {schema[key]:g}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema]
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}.get(schema["type"], "text")
    return " ".join([kind, *bounds])


def ordered(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Both ends of a span.

    Raises
    ------
    ProblemError
        The start is not before the end.
    """
    if since is not None and until is not None and since >= until:
        raise invalid("since is not before until")
    return since, until


def entity_id(request: web.Request, name: str = "id") -> str:
    """The id in the path, decoded: slashes and any letters may be in it, percent-encoded."""
    value = request.match_info[name]
    if len(value.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise invalid(f"The id has more than {MAX_ID_BYTES} bytes")
    return value


def one_of(name: str, value: str, choices: Iterable[str]) -> str:
    """A parameter whose words depend on the pack."""
    words = tuple(choices)
    if value not in words:
        raise invalid(f"{name} is {shortened(value)}; expected one of: {', '.join(words)}")
    return value


def shortened(value: str) -> str:
    """A value as a message quotes it."""
    return repr(value if len(value) <= 60 else value[:57] + "...")
