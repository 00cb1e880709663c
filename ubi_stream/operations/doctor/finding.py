"""What one check found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's report.

    Attributes
    ----------
    found
        What is there.
    advice
        What to do; empty where all is well.
    """

    check: str
    status: Status
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, found)


def warn(check: str, found: str, advice: str) -> Finding:
    """It works, but not as well as it could, or only a part of the product needs it."""
    return Finding(check, Status.WARN, found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """A worker can't run like this."""
    return Finding(check, Status.FAIL, found, advice)
