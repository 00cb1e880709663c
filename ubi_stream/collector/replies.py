"""How each dialect is answered. Clients take exactly 200 for success; several of them fail on any other 2xx."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ubi_stream.collector.intake import Rejected
from ubi_stream.collector.service import Receipt, receipt_document, rejection

JSON: Final = "application/json"
PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""


class Reply(msgspec.Struct, frozen=True):
    """The body of an answer with status 200."""

    body: bytes
    media_type: str = JSON


Answer = Callable[[Receipt], Reply]


def own(receipt: Receipt) -> Reply:
    """Counts, ids, and what is wrong with each call that was set aside."""
    return _json(receipt_document(receipt))


def segment(receipt: Receipt) -> Reply:
    """Success; clients look at the status alone, people at what was set aside."""
    return _json({"success": True, **_set_aside(receipt)})


def posthog_v0(receipt: Receipt) -> Reply:
    """Success. One bad event is set aside by itself."""
    return _json({"status": "Ok", **_set_aside(receipt)})


def posthog_v1(receipt: Receipt) -> Reply:
    """A result for each event by its uuid: `ok`, or `drop` with the reason, so that it isn't sent again."""
    results: dict[str, Any] = {}
    for name, outcome in zip(receipt.read.names, receipt.read.outcomes, strict=True):
        if name is None:
            continue
        results[name] = {"result": "ok"}
        if isinstance(outcome, Rejected):
            letter = outcome.letter
            details = f"{letter.reason.value} at {letter.path}: {letter.message}"
            results[name] = {"result": "drop", "details": details}
    return _json({"results": results})


def text_ok(_receipt: Receipt) -> Reply:
    """The word ok."""
    return Reply(b"ok", "text/plain")


def pixel(_receipt: Receipt) -> Reply:
    """A picture that nobody sees."""
    return Reply(PIXEL, "image/gif")


def _set_aside(receipt: Receipt) -> dict[str, Any]:
    rejected = [rejection(at, one) for at, one in receipt.rejected]
    return {"rejected": rejected} if rejected else {}


def _json(document: dict[str, Any]) -> Reply:
    return Reply(msgspec.json.encode(document))
