"""Records of a topic in a sender's own form: a mapping applied where bytes become an event."""

from __future__ import annotations

import csv
import re
from typing import Any, Final

from ubi_stream.errors import ConfigError
from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.model import DeadLetter, Record, Unwanted
from ubi_stream.mappings.ids import content_id
from ubi_stream.mappings.mapper import Mapper, encode_event
from ubi_stream.mappings.model import Mapping, load_mapping
from ubi_stream.packs.schema import RESERVED_TYPES
from ubi_stream.reasons import DeadLetterReason
from ubi_stream.settings import Settings

_JSON: Final = (b"{", b"[", b"\xef\xbb\xbf")


class MappedDecoder:
    """Decodes records of one topic as a mapping says: the same events as of a file with these rows.

    A record is one row: a JSON object, a line that fits `file.pattern`, or fields in the order of `file.columns`.
    Labels and erasures come in our own form, whatever the mapping says: the product sends them itself. An event without
    an id gets one by its content, so identical records are one event.

    Parameters
    ----------
    mapping
        How to read records. One that makes several events of a row is refused: a record is one event.
    key
        Keys the hashes of values that are hidden.

    Raises
    ------
    ConfigError
        The mapping is one for files alone.
    """

    def __init__(self, mapping: Mapping, *, key: bytes = b"") -> None:
        for has_it, why in (
            (mapping.rows_are_events, "its rows are events in our own form"),
            (bool(mapping.also), "it has [[also]]"),
            (mapping.file.each is not None, "it has file.each"),
        ):
            if has_it:
                raise ConfigError(f"UBI_EVENTS_MAPPING = {mapping.name}: it is for files, not for a topic: {why}")
        self._mapping = mapping
        self._pattern = None if mapping.file.pattern is None else re.compile(mapping.file.pattern)
        self._mapper = Mapper(mapping, key=key)

    def __call__(self, record: Record) -> dict[str, Any] | DeadLetter | Unwanted:
        """The event of a record, or why there is none."""
        values = self._values(record)
        if isinstance(values, DeadLetter):
            return values
        event_type = values.get("event_type")
        if isinstance(event_type, str) and event_type in RESERVED_TYPES:
            return values
        if not self._mapper.keeps(values):
            return Unwanted("", record)
        event, _ = next(self._mapper.events(values))
        if "event_id" not in event:
            event["event_id"] = content_id(self._mapping.name, encode_event(event))
        return event

    def _values(self, record: Record) -> dict[str, Any] | DeadLetter:
        value, layout = record.value, self._mapping.file
        is_text = self._pattern is not None or layout.columns is not None
        if value is None or not is_text or value.startswith(_JSON):
            return decode(record)
        try:
            line = value.decode(layout.encoding).rstrip("\r\n")
        except UnicodeDecodeError:
            return _malformed(record, f"the value is not {layout.encoding}")
        if self._pattern is not None:
            match = self._pattern.fullmatch(line)
            return match.groupdict() if match else _malformed(record, "the value does not fit file.pattern")
        columns = layout.columns or ()
        try:
            [fields] = csv.reader(
                [line],
                delimiter=layout.delimiter,
                quotechar=layout.quote or None,
                quoting=csv.QUOTE_MINIMAL if layout.quote else csv.QUOTE_NONE,
                strict=True,
            )
        except (csv.Error, ValueError):
            return _malformed(record, "the value is not one line of fields")
        if len(fields) != len(columns):
            return _malformed(record, f"the value has {len(fields)} fields, {len(columns)} were expected")
        return dict(zip(columns, fields, strict=True))


def decoder_of(settings: Settings) -> Decode:
    """How records of the events topic are decoded: by `UBI_EVENTS_MAPPING`, or as events in our own form.

    Raises
    ------
    ConfigError
        There is no such mapping, it is wrong, or it is one for files alone.
    """
    if settings.events_mapping is None:
        return decode
    return MappedDecoder(load_mapping(settings.events_mapping), key=settings.hash_key)


def _malformed(record: Record, message: str) -> DeadLetter:
    return DeadLetter(DeadLetterReason.MALFORMED_JSON, "$", f"{message} of the mapping of this topic", record)
