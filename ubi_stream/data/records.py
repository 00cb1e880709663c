"""What a file or the generator hands to Kafka or to the offline pipeline."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson


class ProducerRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of the events topic before it has an offset.

    Attributes
    ----------
    key
        User id as UTF-8, or None where the event names no user.
    value
        Event JSON, or whatever the source held where it was no event; None is a null record.
    time_ms
        Event time in Unix milliseconds, for pacing and for merging in time order; None where it can't be told.
    row
        Where it stands in its file, 0 for none: the line, or of Parquet the row; from 1.
    fault
        Why the row could not be read; empty where it could.
    """

    key: bytes | None
    value: bytes | None
    time_ms: int | None = None
    row: int = 0
    fault: str = ""


class FileRow(msgspec.Struct, gc=False):
    """One data row of a file.

    Attributes
    ----------
    values
        Value by column; None for a row that can't be read, such as one with too few fields.
    raw
        The row as the file has it, for the dead letter; empty where the format has no text (Parquet).
    number
        Where it stands: the line, or of Parquet the row; from 1.
    fault
        Why it can't be read; empty where it can.
    """

    values: dict[str, Any] | None
    raw: str | bytes
    number: int = 0
    fault: str = ""


def record_of(event: dict[str, Any], time_ms: int) -> ProducerRecord:
    """Encode an event that is known to be good, keyed by its user.

    >>> record_of({"user_id": "u1", "event_type": "view"}, 5).value
    b'{"user_id":"u1","event_type":"view"}'
    """
    return ProducerRecord(event["user_id"].encode(), orjson.dumps(event), time_ms)
