"""What can go wrong in the world around the pipeline.

Expected bad data is never an exception: it is a value (`ubi_stream.events`). An exception of this module means that
something outside an event is broken: a setting, a pack, a broker, a database, a table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

from ubi_stream.reasons import SnapshotReason


def likely(word: str, words: Iterable[str]) -> str:
    """Which of the words was probably meant, as the beginning of a sentence; nothing where none is close.

    >>> likely("ecomerce", ["payments", "ecommerce"]), likely("casino", ["payments", "ecommerce"])
    ('did you mean ecommerce? ', '')
    """
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}? " if close else ""


class UbiError(Exception):
    """A broken world, told in one sentence that an operator can act on.

    Attributes
    ----------
    retriable
        Whether trying again later can help.
    exit_code
        Status with which the process ends when nobody handles the error. `docs/operations.md` lists them.
    """

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class ConfigError(UbiError):
    """A setting, pack or mapping is wrong: says which key, which value, and what was expected."""

    exit_code = 64


class BrokerUnavailableError(UbiError):
    """Kafka can't be reached."""

    retriable = True
    exit_code = 69


class DatabaseUnavailableError(UbiError):
    """Postgres can't be reached."""

    retriable = True
    exit_code = 69


class WorkerUnavailableError(UbiError):
    """No worker answers, or not now."""

    retriable = True
    exit_code = 69


class LocalServiceError(UbiError):
    """The embedded Kafka or Postgres could not be started or stopped."""

    exit_code = 69


class TopicLayoutError(UbiError):
    """A topic is missing, or its partitions differ from what the state was built on."""

    exit_code = 65


class DeliveryError(UbiError):
    """A record could not be handed over for good; going on would lose it (fail-stop)."""

    exit_code = 70


class FaultyCodeError(UbiError):
    """So many events raise that the code must be at fault; going on would make dead letters of good events."""

    exit_code = 70


class RecoveryError(UbiError):
    """State could not be restored from its changelog before the deadline."""

    retriable = True
    exit_code = 71


class ContiguityError(UbiError):
    """A partition's offsets have a hole that nothing explains: events would be skipped."""

    exit_code = 72


class StateStoreError(UbiError):
    """States on disk can't be read or written. What is damaged is deleted, and restored by the next start."""

    retriable = True
    exit_code = 74


class SnapshotError(UbiError):
    """A model snapshot is not usable: unsigned, tampered, or of another version. The model starts fresh.

    Attributes
    ----------
    reason
        Which of the closed list: a metric label.
    """

    def __init__(self, reason: SnapshotReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
