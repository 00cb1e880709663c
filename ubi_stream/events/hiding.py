"""Hides personal data in records before anything else looks at them: what is hidden here reaches no second topic."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.model import DeadLetter, Findings, NotKept, Record, Unwanted
from ubi_stream.privacy.filter import PrivacyFilter, Withheld

OWN_FORM: Final = "ubi-form"
"""Header of records that are events in our own form, whatever the form of their topic is."""
OWN_FORM_HEADER: Final = (OWN_FORM, b"event")
_encode_json = msgspec.json.Encoder().encode


def is_own_form(record: Record) -> bool:
    """Whether a record says of itself that it is an event in our own form."""
    return bool(record.headers) and any(name == OWN_FORM for name, _ in record.headers)


def read_hidden(
    record: Record, decode_record: Decode, privacy: PrivacyFilter
) -> tuple[dict[str, Any], Record, Findings | None] | DeadLetter | NotKept | Unwanted:
    """Decode a record and hide what is not to be kept.

    Returns
    -------
    The event, its record with a value that has nothing more in it than the event, and what was found; or a dead letter
    whose record is cleaned as well.
    """
    data = decode(record) if is_own_form(record) else decode_record(record)
    if isinstance(data, DeadLetter):
        return hidden_letter(data, privacy)
    if isinstance(data, Unwanted):
        return data
    outcome = privacy.apply(data)
    if isinstance(outcome, Withheld):
        return NotKept(outcome.reason, record)
    findings = Findings(outcome.findings, record) if outcome.findings else None
    if outcome.changed:
        record = _rewritten(record, outcome.event)
    return outcome.event, record, findings


def hidden_letter(
    letter: DeadLetter, privacy: PrivacyFilter, event: dict[str, Any] | None = None, *, mapped: bool = False
) -> DeadLetter:
    """A dead letter without what the filter hides, and still whole where it can be repaired.

    Parameters
    ----------
    event
        The filtered event, if the record could be read: then its value is that event already.
    mapped
        Whether the record is in a sender's form: it may have more in it than the event. Where it has, the event itself
        is kept instead, so that the ids in it stay.
    """
    record = letter.record
    if event is None:
        record = hidden_record(record, privacy)
    elif mapped and not is_own_form(record) and hidden_record(record, privacy) is not record:
        record = _rewritten(record, event)
    message = privacy.clean_text(letter.message)
    if record is letter.record and message == letter.message:
        return letter
    return msgspec.structs.replace(letter, message=message, record=record)


def hidden_record(record: Record, privacy: PrivacyFilter) -> Record:
    """A record with what is recognised in its bytes overwritten; the same object where nothing is."""
    value = record.value
    clean = value if value is None else privacy.clean_bytes(value)
    return record if clean is value else msgspec.structs.replace(record, value=clean)


def _rewritten(record: Record, event: dict[str, Any]) -> Record:
    headers = record.headers if is_own_form(record) else (*record.headers, OWN_FORM_HEADER)
    return msgspec.structs.replace(record, value=_encode_json(event), headers=headers)
