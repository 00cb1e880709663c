"""Whether an event may be kept at all: consent, and people who are not to be tracked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from ubi_stream.privacy.hashing import hashed, is_hash
from ubi_stream.privacy.rules import Consent

CONSENT: Final = "consent"
DO_NOT_TRACK: Final = "do_not_track"
_NO: Final = frozenset(("false", "0", "no", "denied"))
_YES: Final = frozenset(("true", "1", "yes", "granted"))


class WithheldReason(StrEnum):
    """Why an event is counted and not kept."""

    NO_CONSENT = "no_consent"
    DO_NOT_TRACK = "do_not_track"


class DoNotTrack:
    """People who are not to be tracked.

    Parameters
    ----------
    lines
        Ids of users, or their hashes as `hash_id` gives them: a list of hashes names nobody. Empty lines and those that
        begin with `#` are left out.
    key
        Keys the hashes.

    Examples
    --------
    >>> listed = DoNotTrack(["# asked in May", "u-1", hashed(b"key", "u-2")], key=b"key")
    >>> "u-1" in listed, "u-2" in listed, "u-3" in listed
    (True, True, False)
    """

    def __init__(self, lines: Iterable[str] = (), *, key: bytes = b"") -> None:
        listed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
        self._hashes = frozenset(filter(is_hash, listed))
        self._ids = frozenset(listed - self._hashes)
        self._key = key

    def __len__(self) -> int:
        return len(self._ids) + len(self._hashes)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._ids or (bool(self._hashes) and hashed(self._key, user_id) in self._hashes)


NOBODY_LISTED: Final = DoNotTrack()


def withheld(
    context: Mapping[str, Any] | None, user_id: object, consent: Consent, listed: DoNotTrack
) -> WithheldReason | None:
    """Why an event may not be kept; None where it may.

    `context.do_not_track` counts as what a browser sends for its user. `context.consent` may be an object of purposes:
    the one named `analytics` counts.

    >>> withheld({"consent": False}, "u-1", Consent.RESPECT, NOBODY_LISTED)
    <WithheldReason.NO_CONSENT: 'no_consent'>
    """
    if len(listed) and user_id is not None and str(user_id) in listed:
        return WithheldReason.DO_NOT_TRACK
    if not context:
        return WithheldReason.NO_CONSENT if consent is Consent.REQUIRE else None
    if DO_NOT_TRACK in context and _flag(context[DO_NOT_TRACK]):
        return WithheldReason.DO_NOT_TRACK
    if consent is Consent.IGNORE:
        return None
    given = context.get(CONSENT)
    flag = None if given is None else _flag(given.get("analytics") if isinstance(given, dict) else given)
    return WithheldReason.NO_CONSENT if flag is False or (flag is None and consent is Consent.REQUIRE) else None


def _flag(value: object) -> bool | None:
    """A yes or no as senders write it; None where it is neither."""
    text = str(value).strip().lower()
    return True if text in _YES else False if text in _NO else None
