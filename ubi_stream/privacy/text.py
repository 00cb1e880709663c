"""Texts as they may be kept: personal data and secrets in them hidden, and no longer than allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ubi_stream.privacy.detectors import SUSPECT, normal, replaced, truncated
from ubi_stream.privacy.hashing import hashed
from ubi_stream.privacy.rules import SECRET, TOO_LONG, Action, DataKind, TextFilter, secret_words

FILTERED: Final = "[filtered]"
"""What stands for a secret, or for a text that can't be hidden in part."""
CUT: Final = "…"
"""Ends a text that was cut."""
_ROUNDS: Final = 8
"""Looks at a text: what stands beside something that was hidden may be something itself. Two are nearly always enough;
a text that still changes after so many is hidden whole."""

_INNOCENT: Final = 2_048
_MOST_REMEMBERED: Final = 512
"""Texts with nothing to hide that are remembered, and their characters."""

Finding = tuple[str, Action]
"""Rule, and what was done."""


class TextCleaner:
    """Hides personal data in texts. Pure: the same text gives the same result, and a clean text is left as it is.

    Parameters
    ----------
    actions
        What to do with personal data of each kind.
    secrets
        Names of parameters in addresses whose values are hidden.
    max_text
        Characters that a text may have.
    key
        Keys hashes.
    filters
        Filters of others by name.
    """

    def __init__(
        self,
        actions: Mapping[DataKind, Action],
        secrets: tuple[str, ...],
        *,
        max_text: int,
        key: bytes = b"",
        filters: Mapping[str, TextFilter] | None = None,
    ) -> None:
        self._actions = actions
        self._max_text = max_text
        self._key = key
        self._filters = dict(filters or {})
        self._innocent: set[str] = set()
        self._parameter = parameter_pattern(secrets)

    def needs_look(self, text: str) -> bool:
        """Whether there may be anything to hide; False is certain."""
        if text in self._innocent:
            return False
        return (
            SUSPECT.search(text) is not None
            or bool(self._filters)
            or len(text) > self._max_text
            or ("=" in text and self._parameter.search(text) is not None)
        )

    def clean(self, name: str, text: str, findings: set[Finding]) -> str:
        """A text as it may be kept; what was found is added to `findings`. `name` is the property's."""
        for _ in range(_ROUNDS):
            before, text = text, self._once(name, text, findings)
            if text == before:
                if not findings:
                    self._remember(text)
                return text
        return FILTERED

    def _remember(self, text: str) -> None:
        """Looks the same text up next time: a browser's name has numbers, and comes with every event."""
        if len(text) <= _MOST_REMEMBERED and not self._filters:
            if len(self._innocent) >= _INNOCENT:
                self._innocent.clear()
            self._innocent.add(text)

    def hide(self, kind: DataKind, text: str) -> str:
        """What stands for personal data of a kind."""
        action = self._actions[kind]
        if action is Action.KEEP:
            return text
        if action is Action.TRUNCATE:
            return truncated(kind, text)
        if action is Action.HASH:
            return hashed(self._key, normal(kind, text))
        return f"[{kind.value}]" if action is Action.MASK else ""

    def _once(self, name: str, text: str, findings: set[Finding]) -> str:
        text = self._without_parameters(text, findings)
        if SUSPECT.search(text) is not None:
            text = replaced(text, lambda kind, found: self._found(kind, found, findings))
        for rule, apply in self._filters.items():
            kept = apply(name, text)
            if kept != text:
                findings.add((rule, Action.MASK))
                text = kept
        if len(text) > self._max_text:
            findings.add((TOO_LONG, Action.TRUNCATE))
            text = text[: self._max_text - 1] + CUT
        return text

    def _without_parameters(self, text: str, findings: set[Finding]) -> str:
        if "=" not in text:
            return text
        clean = self._parameter.sub(rf"\g<1>{FILTERED}", text)
        if clean != text:
            findings.add((SECRET, Action.MASK))
        return clean

    def _found(self, kind: DataKind, text: str, findings: set[Finding]) -> str:
        hidden = self.hide(kind, text)
        # An address whose host bits are gone already is found again, and stays.
        if hidden != text or self._actions[kind] is Action.KEEP:
            findings.add((kind.value, self._actions[kind]))
        return hidden


def parameter_pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    """Parameters of addresses that are named like secrets: all up to the value, and the value."""
    return re.compile(rf"([?&;#](?:[\w.\[\]-]{{0,60}}[_.\-\[])?(?:{secret_words(secrets)})\]?=)[^&;#\s\"'<>]+", re.I)
