"""Repairs dead letters: patched, checked as a new event is, and sent with the id that they would have had."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import jsonpatch
import msgspec

from ubi_stream.collector.intake import DIALECT_HEADER, SOURCE_HEADER, Accepted, Left, Outcome, Rejected
from ubi_stream.collector.registry import DIALECTS
from ubi_stream.collector.request import Reception
from ubi_stream.collector.service import Collector
from ubi_stream.packs.schema import ERASE_TYPE
from ubi_stream.sinks.dead_letter_queries import ListedDeadLetter

MAX_PATCH_OPERATIONS: Final = 100
_PATCH_ERRORS: Final = (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException)

Patch = Sequence[Mapping[str, Any]]
"""A JSON patch (RFC 6902)."""


class _RepairSource(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, whole, as it lies on its topic."""

    id: str
    reason: str
    path: str
    message: str
    source: _RepairSource
    value_base64: str | None = None
    headers: list[tuple[str, str | None]] = []

    @property
    def value(self) -> bytes | None:
        """The record's value; None where it had none, or was too large to be kept."""
        try:
            return None if self.value_base64 is None else b64decode(self.value_base64, validate=True)
        except Base64Error:
            return None

    def header(self, name: str) -> str | None:
        """A header of the record as text."""
        found = dict(self.headers).get(name)
        return None if found is None else b64decode(found).decode("utf-8", "replace")


class Letters(Protocol):
    """Reads dead letters from their topic."""

    async def read(self, places: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        """Values at topic, partition and offset; None where a record is there no longer."""
        ...


class Repaired(msgspec.Struct, frozen=True):
    """What became of one dead letter.

    Attributes
    ----------
    status
        `ready` (a dry run: it would be sent), `sent`, `duplicate`, `wrong` (it still can't be an event), `left_out` (it
        is accepted and is no behaviour), `gone` (its record is not kept any more), `already_sent`.
    event
        The event that is sent.
    """

    id: str
    status: str
    event: dict[str, Any] | None = None
    reason: str | None = None
    path: str | None = None
    message: str | None = None


class PatchError(ValueError):
    """It is no JSON patch: the message says why."""


def check_patch(patch: object) -> Patch:
    """A JSON patch, checked.

    Raises
    ------
    PatchError
        It is none.

    >>> check_patch([{"op": "replace", "path": "/event_type", "value": "view"}])[0]["op"]
    'replace'
    """
    if not isinstance(patch, list) or len(patch) > MAX_PATCH_OPERATIONS:
        raise PatchError(f"a JSON patch is a list of at most {MAX_PATCH_OPERATIONS} operations")
    try:
        jsonpatch.JsonPatch(patch)
    except (*_PATCH_ERRORS, TypeError, KeyError, AttributeError) as error:
        raise PatchError(f"this is no JSON patch: {error}") from None
    return patch


def decode_letter(value: bytes) -> Letter:
    """A record of the dead-letter topic."""
    return msgspec.json.decode(value, type=Letter)


def repair(letter: Letter, patch: Patch, collector: Collector) -> Outcome | str:
    """Patch a dead letter and read it again as of the time when it came; text says why it can't even be patched.

    A call of a sender is read by its dialect, an event as it is. One that brought no id has that of its place.
    """
    value = letter.value
    if value is None:
        return "its record was not kept"
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if not any(step["path"] == "" for step in patch):
            return 'its record is not JSON; a patch can only replace it as a whole (path "")'
        document = None
    try:
        document = jsonpatch.apply_patch(document, list(patch))
    except (*_PATCH_ERRORS, TypeError, ValueError, IndexError) as error:
        return f"the patch does not fit: {error}"
    intake = collector.intake(letter.header(SOURCE_HEADER) or "default")
    at_ms = letter.source.timestamp_ms
    dialect = DIALECTS.get(letter.header(DIALECT_HEADER) or "")
    if dialect is not None:
        return intake.read_call(dialect, document, Reception(at_ms, collector.hash_key, collector.amount))
    if not isinstance(document, dict):
        return "what the patch leaves is no object"
    if document.get("event_type") == ERASE_TYPE:
        return "an erasure has a route of its own, for the role privacy"
    if document.get("event_id") is None:
        document = document | {"event_id": letter.id}
    return intake.read_event(document, at_ms)


class Repairs:
    """Repairs lists of dead letters.

    Parameters
    ----------
    collector
        Checks and sends.
    letters
        Reads whole dead letters.
    mark
        Notes those that Kafka has by their ids.
    """

    def __init__(
        self, collector: Collector, letters: Letters, mark: Callable[[Sequence[str]], Awaitable[None]]
    ) -> None:
        self._collector, self._letters, self._mark = collector, letters, mark

    async def run(self, listed: Iterable[ListedDeadLetter], patch: Patch, *, send: bool) -> list[Repaired]:
        """Repair dead letters, the oldest first; without `send` nothing is sent.

        Raises
        ------
        OverloadedError, DeliveryError
            Kafka does not take them now. Sent again they count once.
        """
        results: dict[str, Repaired] = {}
        accepted: list[tuple[str, Accepted]] = []
        waiting = sorted(listed, key=lambda one: (one.at is None, one.at, one.source_offset))
        for one in waiting:
            if one.resent_at is not None:
                results[one.id] = Repaired(one.id, "already_sent")
        open_ones = [one for one in waiting if one.id not in results]
        for one, value in zip(open_ones, await self._read(open_ones), strict=True):
            result, outcome = self._result(one.id, value, patch)
            results[one.id] = result
            if outcome is not None:
                accepted.append((one.id, outcome))
        if send and accepted:
            duplicates = await self._collector.deliver([outcome for _, outcome in accepted])
            await self._mark([id_ for id_, _ in accepted])
            for at, (id_, _) in enumerate(accepted):
                results[id_] = msgspec.structs.replace(results[id_], status="duplicate" if at in duplicates else "sent")
        return [results[one.id] for one in waiting]

    async def _read(self, listed: Sequence[ListedDeadLetter]) -> list[bytes | None]:
        places = [
            (one.dead_letter_topic or "", one.dead_letter_partition or 0, one.dead_letter_offset or 0) for one in listed
        ]
        kept = [place for place in places if place[0]]
        found = iter(await self._letters.read(kept) if kept else [])
        return [next(found) if place[0] else None for place in places]

    def _result(self, id_: str, value: bytes | None, patch: Patch) -> tuple[Repaired, Accepted | None]:
        if value is None:
            return Repaired(id_, "gone", message="its record is not kept any more"), None
        outcome = repair(decode_letter(value), patch, self._collector)
        if isinstance(outcome, str):
            return Repaired(id_, "wrong", message=outcome), None
        if isinstance(outcome, Rejected):
            letter = outcome.letter
            return Repaired(id_, "wrong", None, letter.reason.value, letter.path, letter.message), None
        if isinstance(outcome, Left):
            return Repaired(id_, "left_out", message=outcome.why), None
        return Repaired(id_, "ready", msgspec.json.decode(outcome.value)), outcome
