"""Reads single fields of an event: what is wrong is told with reason, JSON path and what was expected."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NoReturn

from ubi_stream.events.limits import MAX_ID_BYTES
from ubi_stream.reasons import DeadLetterReason as Reason

UNREADABLE: Final = "unreadable"
"""Key of the object that stands in an event for a value which a file's mapping can't read.

The value itself might be read here, by other rules than the mapping's: as another time, or another amount.
"""

_PADDING: Final = 8
"""White space around an id that stands for nobody; a longer id is somebody's without a look."""


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
    if type(value) is dict and value.keys() == {UNREADABLE}:
        refuse(Reason.WRONG_TYPE, field, f"{field} is {short(value[UNREADABLE])}, which the file's mapping can't read")
    refuse(Reason.WRONG_TYPE, field, f"{field} is {short(value)}, {expected} was expected")


class IdReader:
    """Reads ids: text of 1 to 256 bytes, or whole numbers, which become text.

    Parameters
    ----------
    nobody
        Ids that stand for nobody, in any case: what senders write where they know none.
    """

    def __init__(self, nobody: Collection[str] = ()) -> None:
        self._nobody = frozenset(name.strip().casefold() for name in nobody)
        self._longest = max(map(len, self._nobody), default=0)

    def required(self, value: object, field: str) -> str:
        """An id of somebody.

        Raises
        ------
        RefusedError
            It is absent or blank, stands for nobody, is of another type, or too long.
        """
        text = read_id(value, field)
        if self._is_nobody(text):
            refuse(Reason.MISSING_FIELD, field, f"{field} is {short(text)}, which stands for nobody")
        return text

    def optional(self, value: object, field: str) -> str | None:
        """An id, or None where it is absent or blank, or stands for nobody.

        Raises
        ------
        RefusedError
            It is of another type, or too long.
        """
        text = read_optional_id(value, field)
        return None if text is None or self._is_nobody(text) else text

    def _is_nobody(self, text: str) -> bool:
        return len(text) <= self._longest + _PADDING and text.strip().casefold() in self._nobody


def read_id(value: object, field: str) -> str:
    """An id as text: whole numbers are ids too, and become text."""
    if type(value) is not str:
        if type(value) is not int:
            missing_or_wrong(value, field, "a string or a whole number")
        value = str(value)
    check_id(value, field)
    return value


def read_optional_id(value: object, field: str) -> str | None:
    """An id, or None where it is absent or blank."""
    return None if value is None or (type(value) is str and not value.strip()) else read_id(value, field)


def check_id(value: str, field: str) -> None:
    """Refuse an id that is blank or too long."""
    if not value.strip():
        refuse(Reason.MISSING_FIELD, field, f"{field} is {'blank' if value else 'empty'}")
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        refuse(Reason.TOO_LARGE, field, f"{field} has more than {MAX_ID_BYTES} bytes")


def short(value: object) -> str:
    """A value as a message shows it: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
