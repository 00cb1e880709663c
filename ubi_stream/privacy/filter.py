"""One filter for whatever takes events in: the tracking middleware, the collector, and the worker itself.

An event that passed it once passes it again unchanged. So it does not matter how many of them an event meets, and a
producer that writes to Kafka directly is held to the same rules.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from ubi_stream.privacy.consent import NOBODY_LISTED, DoNotTrack, WithheldReason, withheld
from ubi_stream.privacy.detectors import is_card, replaced
from ubi_stream.privacy.hashing import hashed, is_hash
from ubi_stream.privacy.raw import RawCleaner
from ubi_stream.privacy.rules import (
    DECLARED,
    NOT_KEPT,
    SECRET,
    TOO_LONG,
    Action,
    DataKind,
    PrivacyRules,
    names_one_of,
    plain_name,
)
from ubi_stream.privacy.text import CUT, FILTERED, Finding, TextCleaner

EVENT_FIELDS: Final = frozenset(
    ("event_id", "event_time", "event_type", "user_id", "session_id", "trace_id", "sent_at")
)
"""Fields of an event that are left as they are: what an event is, whose and when. `user_id` is reported."""
CONTEXT_KEPT: Final = frozenset(("utc_offset_min", "timezone", "consent", "do_not_track"))
"""Names of a context that have a meaning: `keep` does not drop them."""
OTHER: Final = "other"
"""Stands in a report for a name that could be personal data itself."""

_HINTS: Final = {
    DataKind.EMAIL: frozenset(("email", "e_mail", "mail", "email_address")),
    DataKind.PHONE: frozenset(("phone", "phone_number", "telephone", "mobile", "mobile_number", "msisdn")),
    DataKind.CARD: frozenset(("card_number", "cardnumber", "credit_card", "pan")),
    DataKind.IP: frozenset(("ip", "ip_address", "client_ip", "remote_addr")),
}
"""Names whose text is personal data of a kind, in whatever form it is written."""
_MAX_NAMES: Final = 4_096
"""Names whose treatment is remembered; a sender that makes names up must not fill the memory."""
_MAX_DEPTH: Final = 16
"""Nesting that is looked into; what lies deeper is hidden whole. Events that are deeper than 8 are refused anyway."""
_LEAST_CARD: Final = 10**12
_MOST_CARD: Final = 10**19
_INNER: Final = "inner"
"""Place of names within a property's value."""
_HIDDEN: Final = re.compile(r"\[(?:email|phone|card|ip)(?: \+?\d{1,4})?\](?:@[\w.-]+)?|\[filtered\]")
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z_.$-]*(?:\d{1,3}[A-Za-z_.$-]*){0,4}")
_MAX_NAME: Final = 100
_SHORTENED: Final = 8
"""Characters that `truncate` leaves of a property that a pack names."""

PropertyFinding = tuple[str, str, Action]
"""Property, rule, and what was done."""


def shown_name(name: str) -> str:
    """A property's name as reports have it: what could be personal data itself is `other`.

    >>> shown_name("billing.note"), shown_name("ann@shop.example")
    ('billing.note', 'other')
    """
    return name if len(name) <= _MAX_NAME and _NAME.fullmatch(name) else OTHER


class Filtered(NamedTuple):
    """An event as it may be kept: the same object where nothing was hidden, else a new one."""

    event: dict[str, Any]
    findings: tuple[PropertyFinding, ...] = ()
    changed: bool = False


class Withheld(NamedTuple):
    """An event that is counted and not kept."""

    reason: WithheldReason


class _Treatment(NamedTuple):
    """What to do with the value of a name: `action` with all of it, hide it as data of a kind, or read it."""

    rule: str = ""
    action: Action | None = None
    kind: DataKind | None = None
    name: str = ""
    """As a report may show it."""
    read: bool = True
    """Whether the value matters only where there is personal data in it."""


class _Gone:
    """Stands for a value that is not to be kept at all."""


_GONE: Final = _Gone()


class PrivacyFilter:
    """Applies privacy rules to events. Pure: no clock, no order; the same event and rules give the same result.

    Parameters
    ----------
    rules
        What to hide.
    key
        Keys the hashes.
    ids
        Properties that are ids or names by the pack: they are left as they are, and reported. One that was hidden
        would be another's.
    do_not_track
        People whose events are counted and not kept.
    commands
        Event types that are commands and no behaviour: nobody's consent is asked for.

    Raises
    ------
    ValueError
        The rules hash, and there is no key: anybody could check a guess.

    Examples
    --------
    >>> found = PrivacyFilter(PrivacyRules()).apply({"properties": {"pin": 1234, "note": "mail bob@example.com"}})
    >>> found.event
    {'properties': {'pin': '[filtered]', 'note': 'mail [email]'}}
    >>> found.findings[1]
    ('pin', 'secret', <Action.MASK: 'mask'>)
    """

    def __init__(
        self,
        rules: PrivacyRules,
        *,
        key: bytes = b"",
        ids: frozenset[str] = frozenset(),
        do_not_track: DoNotTrack = NOBODY_LISTED,
        commands: frozenset[str] = frozenset(),
    ) -> None:
        if rules.hashes and not key:
            raise ValueError("values are to be hashed, and there is no key")
        self.rules = rules
        self._key = key
        self._ids = ids
        self._do_not_track = do_not_track
        self._commands = commands
        self._secrets = frozenset(map(plain_name, rules.secrets))
        self._text = TextCleaner(rules.text, rules.secrets, max_text=rules.max_text, key=key, filters=rules.filters)
        self._raw = RawCleaner(rules)
        self._known: dict[tuple[str, str], _Treatment] = {}

    def apply(self, event: dict[str, Any]) -> Filtered | Withheld:
        """Filter an event in our own form; it is not changed itself."""
        context, event_type = event.get("context"), event.get("event_type")
        if type(event_type) is not str or event_type not in self._commands:
            given = context if type(context) is dict else None
            reason = withheld(given, event.get("user_id"), self.rules.consent, self._do_not_track)
            if reason is not None:
                return Withheld(reason)
        findings: set[PropertyFinding] = set()
        clean: dict[str, Any] | None = None
        for name, value in event.items():
            if name in EVENT_FIELDS:
                continue
            if (name == "properties" or name == "context") and type(value) is dict:
                kept: Any = self._members(value, name, findings)
            else:
                treatment = self._treatment(name, "")
                kept = self._value(treatment.name, treatment, value, findings, 0)
            if kept is not value:
                clean = _put(dict(event) if clean is None else clean, name, kept)
        user_id = event.get("user_id")
        if type(user_id) is str and "@" in user_id:
            findings.add(("user_id", DataKind.EMAIL.value, Action.KEEP))
        if clean is None and not findings:
            return Filtered(event)
        return Filtered(event if clean is None else clean, tuple(sorted(findings)), changed=clean is not None)

    def clean_text(self, text: str) -> str:
        """A sentence about an event, such as the message of a dead letter, without personal data."""
        return self._text.clean("", text, set()) if self._text.needs_look(text) else text

    def clean_bytes(self, raw: bytes) -> bytes:
        """Bytes that are no event, with what can be recognised in them overwritten by `*`: as long as they were."""
        return self._raw.clean(raw)

    def _members(self, members: dict[str, Any], place: str, findings: set[PropertyFinding]) -> dict[str, Any]:
        """Properties or context; the same object where nothing was hidden."""
        clean: dict[str, Any] | None = None
        known, needs_look = self._known, self._text.needs_look
        for name, value in members.items():
            treatment = known.get((place, name)) or self._treatment(name, place)
            if treatment.read:
                # As nearly always: a look that finds nothing must cost next to nothing.
                kind = type(value)
                if kind is str:
                    if not needs_look(value):
                        continue
                elif kind is not dict and kind is not list and not _may_be_card(value):
                    continue
            kept = self._value(treatment.name, treatment, value, findings, 0)
            if kept is not value:
                clean = _put(dict(members) if clean is None else clean, name, kept)
        return members if clean is None else clean

    def _value(self, name: str, treatment: _Treatment, value: Any, findings: set[PropertyFinding], depth: int) -> Any:
        """A value as it may be kept, `_GONE` for one that may not; the same object where nothing was hidden."""
        rule, action, kind, *_ = treatment
        if value is None or value == "":
            return _GONE if action is Action.DROP else value
        if action is Action.KEEP:
            self._report_kept(name, value, findings)
            return value
        if action is not None:
            hidden = self._hidden(value, action)
            if hidden != value:
                findings.add((name, rule, action))
            return value if hidden == value else hidden
        if kind is not None and not isinstance(value, dict | list | bool):
            return self._of_kind(name, kind, value, findings)
        if isinstance(value, str):
            found: set[Finding] = set()
            text = self._text.clean(name, value, found)
            findings.update((name, *one) for one in found)
            return value if text == value else text
        if _may_be_card(value) and is_card(str(int(value))):
            return self._of_kind(name, DataKind.CARD, value, findings)
        return self._nested(name, treatment, value, findings, depth) if isinstance(value, dict | list) else value

    def _nested(self, name: str, treatment: _Treatment, value: Any, findings: set[PropertyFinding], depth: int) -> Any:
        """An object or array; what is found in it is reported under the name of the property that holds it."""
        if depth >= _MAX_DEPTH:
            findings.add((name, TOO_LONG, Action.MASK))
            return FILTERED
        if isinstance(value, list):
            kept = [self._value(name, treatment, one, findings, depth + 1) for one in value]
            same = all(new is old for new, old in zip(kept, value, strict=True))
            return value if same else [one for one in kept if one is not _GONE]
        clean: dict[str, Any] | None = None
        for inner, one in value.items():
            new = self._value(name, self._treatment(inner, _INNER), one, findings, depth + 1)
            if new is not one:
                clean = _put(dict(value) if clean is None else clean, inner, new)
        return value if clean is None else clean

    def _of_kind(self, name: str, kind: DataKind, value: Any, findings: set[PropertyFinding]) -> Any:
        """A value that is personal data of a kind as a whole, by its name or its form."""
        action, text = self.rules.text[kind], value if isinstance(value, str) else str(value)
        if action is Action.KEEP:
            findings.add((name, kind.value, action))
            return value
        if is_hash(text) or _HIDDEN.fullmatch(text):
            return value
        whole = action is not Action.TRUNCATE or replaced(text, lambda *_: "") == ""
        hidden = (self._text.hide(kind, text) if whole else f"[{kind.value}]") if action is not Action.DROP else _GONE
        if hidden == value:
            return value
        findings.add((name, kind.value, action))
        return hidden

    def _hidden(self, value: Any, action: Action) -> Any:
        """What stands for a value that a rule hides as a whole."""
        if action is Action.DROP:
            return _GONE
        if action is Action.HASH:
            return hashed(self._key, value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        if action is Action.MASK or not isinstance(value, str):
            return FILTERED
        text = value if value == FILTERED else self._text.clean("", value, set())
        return text if text == FILTERED or len(text) <= _SHORTENED + 1 else text[:_SHORTENED] + CUT

    def _report_kept(self, name: str, value: Any, findings: set[PropertyFinding]) -> None:
        def report(kind: DataKind, text: str) -> str:
            findings.add((name, kind.value, Action.KEEP))
            return text

        if isinstance(value, str) and self._text.needs_look(value):
            replaced(value, report)

    def _treatment(self, name: str, place: str) -> _Treatment:
        """What to do with the value of a name; remembered."""
        treatment = self._known.get((place, name))
        if treatment is None:
            treatment = self._decide(name, place)
            read = treatment.kind is None and treatment.action in (None, Action.KEEP)
            shown = name if place in ("properties", "") else f"{place}.{name}"
            treatment = treatment._replace(name=shown_name(shown), read=read)
            if len(self._known) < _MAX_NAMES:
                self._known[place, name] = treatment
        return treatment

    def _decide(self, name: str, place: str) -> _Treatment:
        rules, full = self.rules, name if place in ("properties", "") else f"{place}.{name}"
        plain = plain_name(name)
        if place != _INNER:
            if full in rules.properties:
                return _Treatment(DECLARED, rules.properties[full])
            if full in rules.allow or (place == "properties" and name in self._ids):
                return _Treatment(DECLARED, Action.KEEP)
        needed = place == _INNER or (place == "context" and name in CONTEXT_KEPT)
        if not needed and rules.keep is not None and full not in rules.keep:
            return _Treatment(NOT_KEPT, Action.DROP)
        if names_one_of(plain, self._secrets):
            return _Treatment(SECRET, rules.on_secret)
        if self._text.needs_look(name) and self._text.clean("", name, set()) != name:
            return _Treatment(OTHER, Action.DROP)  # the name itself is personal data
        return next((_Treatment(kind=kind) for kind, names in _HINTS.items() if plain in names), _Treatment())


def _put(members: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    if value is _GONE:
        del members[name]
    else:
        members[name] = value
    return members


def _may_be_card(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return bool(_LEAST_CARD <= value < _MOST_CARD) and value.is_integer()
    return kind is int and value >= _LEAST_CARD
