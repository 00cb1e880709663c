"""Query parameters: each known, each given once, each within its limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from ubi_stream.events.limits import MAX_ID_BYTES
from ubi_stream.web.problems import invalid

_MAX_TEXT = 512
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_PLUS_LOST = re.compile(r"(T.*) (\d\d:?\d\d)$")
"""A `+` of a time zone that was not percent-encoded arrives as a space."""


class Parameters:
    """The query of a request.

    Parameters
    ----------
    known
        Names of the parameters that the view takes.

    Raises
    ------
    ProblemError
        A parameter is unknown, given twice, empty or too long: a misspelt filter must not pass for no filter.
    """

    def __init__(self, request: web.Request, known: Iterable[str]) -> None:
        self._values: dict[str, str] = {}
        names = tuple(known)
        for name, value in request.query.items():
            if name not in names:
                raise invalid(f"There is no parameter {_short(name)}; there are: {', '.join(names) or 'none'}")
            if name in self._values:
                raise invalid(f"{name} is given twice")
            if not value or len(value) > _MAX_TEXT:
                raise invalid(f"{name} is empty or longer than {_MAX_TEXT} characters")
            if "\0" in value:
                raise invalid(f"{name} has a character that no text here has")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """A parameter as it is."""
        return self._values.get(name)

    def choice(self, name: str, choices: Iterable[str]) -> str | None:
        """One of several words."""
        value, words = self._values.get(name), tuple(choices)
        if value is not None and value not in words:
            raise invalid(f"{name} is {_short(value)}; expected one of: {', '.join(words)}")
        return value

    def whole_number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds, both included."""
        value = self._values.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):
            raise invalid(f"{name} is {_short(value)}; expected a whole number from {least} to {most}")
        return int(value)

    def share(self, name: str) -> float | None:
        """A number from 0 to 1."""
        value = self._values.get(name)
        if value is None:
            return None
        if not _NUMBER.fullmatch(value) or float(value) > 1:
            raise invalid(f"{name} is {_short(value)}; expected a number from 0 to 1")
        return float(value)

    def time(self, name: str) -> datetime | None:
        """A moment as ISO 8601; UTC where it names no zone."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(_PLUS_LOST.sub(r"\1+\2", value))
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise invalid(f"{name} is {_short(value)}; expected a time like 2019-10-01T12:00:00Z") from None

    def span(self) -> tuple[datetime | None, datetime | None]:
        """The times `since` and `until`, in that order."""
        since, until = self.time("since"), self.time("until")
        if since is not None and until is not None and since >= until:
            raise invalid("since is not before until")
        return since, until


def entity_id(request: web.Request, name: str = "id") -> str:
    """The id in the path, decoded: slashes and any letters may be in it, percent-encoded."""
    value = request.match_info[name]
    if len(value.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise invalid(f"The id has more than {MAX_ID_BYTES} bytes")
    return value


def kind_of_entity(parameters: Parameters, kinds: Mapping[str, object]) -> str:
    """Parameter `entity`: which kind of entity the id is of; a user, unless said otherwise."""
    return parameters.choice("entity", kinds) or "user"


def _short(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "...")
