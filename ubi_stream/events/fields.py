"""Reads single fields of an event: what is wrong is told with reason, JSON path and what was expected."""

from __future__ import annotations

from typing import NoReturn

from ubi_stream.events.limits import MAX_ID_BYTES
from ubi_stream.reasons import DeadLetterReason as Reason


class RefusedError(Exception):
    """Leaves the checks of one event; `Validator` makes a dead letter of it."""

    def __init__(self, reason: Reason, path: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.path, self.message = reason, path, message


def refuse(reason: Reason, field: str, message: str) -> NoReturn:
    """Refuse an event because of a field."""
    raise RefusedError(reason, f"$.{field}", message)


def missing_or_wrong(value: object, field: str, expected: str) -> NoReturn:
    """Refuse an event because a field is absent, or of another type."""
    if value is None:
        refuse(Reason.MISSING_FIELD, field, f"{field} is missing")
    refuse(Reason.WRONG_TYPE, field, f"{field} is {short(value)}, {expected} was expected")


def read_id(value: object, field: str) -> str:
    """An id as text: numbers are ids too, and become text."""
    if type(value) is not str:
        if type(value) is not int:
            missing_or_wrong(value, field, "a string or a whole number")
        value = str(value)
    check_id(value, field)
    return value


def read_optional_id(value: object, field: str) -> str | None:
    """An id, or None where it is absent or empty."""
    return None if value is None or value == "" else read_id(value, field)


def check_id(value: str, field: str) -> None:
    """Refuse an id that is empty or too long."""
    if not value:
        refuse(Reason.MISSING_FIELD, field, f"{field} is empty")
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        refuse(Reason.TOO_LARGE, field, f"{field} has more than {MAX_ID_BYTES} bytes")


def short(value: object) -> str:
    """A value as a message shows it: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
