"""The ingest key within a body, where SDKs put it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ubi_stream.collector.bodies import form_field, from_base64, inflated
from ubi_stream.collector.request import BadRequestError


class _KeyFile(msgspec.Struct):
    """The members of a body that may be a key; the others are passed over without being read."""

    writeKey: Any = None  # noqa: N815 - the sender's name
    api_key: Any = None
    token: Any = None
    properties: Any = None
    data: Any = None


INGEST_PREFIX: Final = "ubi_ingest_"
_ANY: Final = msgspec.json.Decoder(_KeyFile | list[_KeyFile])


def body_key(body: bytes) -> str | None:
    """The key in a body: JSON, JSON packed by the sender, or a form with `data`; None where there is none.

    >>> body_key(b'{"api_key": "k", "batch": []}'), body_key(b'[{"properties": {"token": "k"}}]'), body_key(b"-")
    ('k', 'k', None)
    """
    try:
        document = inflated(body)
        if document.lstrip()[:1] not in (b"{", b"["):
            field = form_field(document, "data")
            document = inflated(from_base64(document if field is None else field))
        found = _ANY.decode(document)
    except (BadRequestError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    first = found if isinstance(found, _KeyFile) else found[0] if found else None
    if first is None:
        return None
    inner = first.properties if isinstance(first.properties, dict) else {}
    if isinstance(first.data, list) and first.data and isinstance(first.data[0], dict):
        return app_key(first.data[0].get("aid"))
    candidates = (first.writeKey, first.api_key, first.token, inner.get("token"))
    return next((one for one in candidates if isinstance(one, str)), None)


def app_key(app_id: object) -> str | None:
    """An ingest key that is sent as the id of an app, by trackers of a protocol without keys; None for other ids."""
    return app_id if isinstance(app_id, str) and app_id.startswith(INGEST_PREFIX) else None
