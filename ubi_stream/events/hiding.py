"""Hides personal data in records before anything else looks at them: what is hidden here reaches no second topic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.model import DeadLetter, Findings, NotKept, Record, Unwanted
from ubi_stream.privacy.filter import PrivacyFilter, PropertyFinding, Withheld, shown_name
from ubi_stream.privacy.rules import RULES, Action

OWN_FORM: Final = "ubi-form"
"""Header of records that are events in our own form, whatever the form of their topic is."""
OWN_FORM_HEADER: Final = (OWN_FORM, b"event")
FOUND: Final = "ubi-found"
_MAX_FOUND: Final = 50
_encode_json = msgspec.json.Encoder().encode
_decode_found = msgspec.json.Decoder(list[tuple[str, str, Action]]).decode


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
    found = outcome.findings
    if record.headers and (before := read_found(record)):
        found = tuple(sorted({*found, *before}))
    findings = Findings(found, record) if found else None
    if outcome.changed:
        record = _rewritten(record, outcome.event)
    return outcome.event, record, findings


def found_header(found: Sequence[PropertyFinding]) -> tuple[str, bytes]:
    """Header that says what was found in an event before it came to the topic: what is hidden there is not found again.

    >>> found_header([("note", "email", Action.MASK)])
    ('ubi-found', b'[["note","email","mask"]]')
    """
    return FOUND, _encode_json(found[:_MAX_FOUND])


def read_found(record: Record) -> tuple[PropertyFinding, ...]:
    """What a record's header says was found in it before; nothing where there is none, or it is no such list.

    Anybody may write a header, and a name in it could be personal data: one that is no name is called `other`.
    """
    text = next((value for name, value in record.headers if name == FOUND), None)
    if not text:
        return ()
    try:
        found = _decode_found(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    return tuple((shown_name(name), rule, action) for name, rule, action in found[:_MAX_FOUND] if rule in RULES)


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
