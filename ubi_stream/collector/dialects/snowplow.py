"""Snowplow's tracker protocol: payloads by POST, and a pixel by GET. What a mapping reads has the enriched names."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ubi_stream.collector.bodies import from_base64, read_calls, read_json
from ubi_stream.collector.fields import id_of, without_nulls
from ubi_stream.collector.identity import identify
from ubi_stream.collector.request import (
    BadRequestError,
    Call,
    CollectorRequest,
    Ignored,
    Reception,
    Row,
    invalid_value,
    missing,
)

_KINDS: Final = {
    "pv": "page_view",
    "pp": "page_ping",
    "se": "struct",
    "ue": "unstruct",
    "tr": "transaction",
    "ti": "transaction_item",
}
_NAMES: Final = {
    "aid": "app_id", "p": "platform", "eid": "event_id", "uid": "user_id", "duid": "domain_userid",
    "tnuid": "network_userid", "nuid": "network_userid", "sid": "domain_sessionid", "url": "page_url",
    "page": "page_title", "refr": "page_referrer", "se_ca": "se_category", "se_ac": "se_action", "se_la": "se_label",
    "se_pr": "se_property", "se_va": "se_value", "tr_id": "tr_orderid", "tr_tt": "tr_total", "tr_cu": "tr_currency",
    "ti_id": "ti_orderid", "ti_sk": "ti_sku", "ti_ca": "ti_category", "ti_pr": "ti_price", "tz": "os_timezone",
    "lang": "br_lang",
}  # fmt: skip
"""Parameters of the protocol, and what they are called in the enriched event."""


_LINK: Final = "$identify"


def split(request: CollectorRequest) -> list[Any]:
    """The events of a payload; a pixel is one, in the query."""
    if not request.body:
        if "e" not in request.query:
            raise BadRequestError("empty_body", "Neither a payload nor a pixel with e=…")
        return [*_links([dict(request.query)]), dict(request.query)]
    document = read_json(request.body)
    if not isinstance(document, dict):
        raise BadRequestError("invalid_json", "The payload is no JSON object")
    calls = read_calls(document.get("data"), "data")
    return [*_links(calls), *calls]


def _links(calls: list[Any]) -> list[Any]:
    """A call for each pair of a device's id and a user's: this protocol has no call of its own to say so."""
    pairs: dict[tuple[str, str], dict[str, Any]] = {}
    for call in calls:
        user_id, device = (
            (id_of(call.get(name)) for name in ("uid", "duid")) if isinstance(call, dict) else (None, None)
        )
        if user_id is not None and device is not None and user_id != device:
            times = {name: call[name] for name in ("dtm", "stm", "ttm") if name in call}
            pairs.setdefault((device, user_id), {"e": _LINK, "uid": user_id, "duid": device, **times})
    return list(pairs.values())


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event."""
    if call.get("e") == _LINK:
        return _identify(call, at)
    kind = _KINDS.get(str(call.get("e")))
    if kind is None:
        return missing("e") if call.get("e") is None else invalid_value("e", f"e is {call['e']!r:.60}, unknown")
    if kind in ("page_ping", "transaction_item"):
        return Ignored(kind)
    values: dict[str, Any] = {new: call[old] for old, new in _NAMES.items() if id_of(call.get(old)) is not None}
    if not any(name in values for name in ("user_id", "domain_userid", "network_userid")):
        return missing("uid", "the event has neither uid nor duid nor tnuid")
    values |= {"event": kind, "event_name": kind}
    if "page_url" in values:
        values["page_urlpath"] = _path(str(values["page_url"]))
    if kind == "unstruct":
        described = _described(call)
        if described is None:
            return invalid_value("ue_pr", "the self-describing event is no JSON with data and schema")
        values |= {"unstruct_event": described, "event_name": _name(described)}
    time, sent_at = _time(call)
    return Row(without_nulls(values), time, sent_at)


def _identify(call: dict[str, Any], at: Reception) -> Call:
    device, user_id = id_of(call.get("duid")), id_of(call.get("uid"))
    time, sent_at = _time(call)
    # The same at every event: by one id it counts once.
    event_id = blake2b(f"identify\0{device}\0{user_id}".encode(), digest_size=16).hexdigest()
    return identify(device, user_id, at=at.received_ms if time is None else time, sent_at=sent_at, event_id=event_id)


def _time(call: dict[str, Any]) -> tuple[object, object]:
    """True time as it is; else the device's, which the time of sending corrects."""
    if (true := _whole(call.get("ttm"))) is not None:
        return true, None
    created = _whole(call.get("dtm"))
    return created, None if created is None else _whole(call.get("stm"))


def _whole(value: object) -> object:
    """Milliseconds, which the protocol writes as text; what is none stays, and is refused where times are read."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else value or None
    return value


def _described(call: dict[str, Any]) -> dict[str, Any] | None:
    """The self-describing event within: as JSON, or as that in base64."""
    try:
        if (text := call.get("ue_pr")) is None:
            text = from_base64(str(call.get("ue_px", "")))
        found = msgspec.json.decode(text) if isinstance(text, str | bytes) else text
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    inner = found.get("data") if isinstance(found, dict) else None
    return found if isinstance(inner, dict) and isinstance(inner.get("schema"), str) else None


def _name(described: dict[str, Any]) -> str:
    """Name of an event by its schema, `iglu:vendor/NAME/format/version`."""
    parts = str(described["data"]["schema"]).split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def _path(url: str) -> str | None:
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return None
