"""What a privacy filter does with which data: plain values, without a parser or a setting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Action(StrEnum):
    """What happens to a value."""

    KEEP = "keep"
    MASK = "mask"
    HASH = "hash"
    TRUNCATE = "truncate"
    DROP = "drop"


class DataKind(StrEnum):
    """Personal data that is recognised in text."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IP = "ip"


class Consent(StrEnum):
    """What `context.consent` means: nothing, `false` withholds an event, or only `true` lets it in."""

    IGNORE = "ignore"
    RESPECT = "respect"
    REQUIRE = "require"


SECRET: Final = "secret"
"""Rule of properties whose name says that they hold a secret."""
DECLARED: Final = "declared"
"""Rule of properties that a pack names in `[privacy.properties]`."""
NOT_KEPT: Final = "not_kept"
"""Rule of properties that `[privacy] keep` does not list."""
TOO_LONG: Final = "too_long"
"""Rule of texts over `max_text` characters."""
RULES: Final = frozenset((SECRET, DECLARED, NOT_KEPT, TOO_LONG, *(kind.value for kind in DataKind)))
"""All rules that are ours; filters of extensions have names of their own."""

SECRETS: Final = (
    "password",
    "passwd",
    "secret",
    "token",
    "access_token",
    "refresh_token",
    "authorization",
    "cookie",
    "api_key",
    "cvv",
    "pin",
    "ssn",
)
"""Names whose values are never kept; so are names that end in one of them, such as `csrf_token` and `X-Api-Key`."""

MAX_TEXT: Final = 1_024
"""Characters of a text. Addresses of pages and search queries are shorter; a longer text is content, not behaviour."""

TextFilter = Callable[[str, str], str]
"""A filter of somebody else: from a property's name and text to the text that may be kept. Pure, and idempotent."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class PrivacyRules:
    """What to hide.

    Attributes
    ----------
    secrets, on_secret
        Names of properties whose values are hidden whole, and how.
    text
        What to do with personal data of each kind in texts.
    max_text
        Characters that a text may have.
    properties
        What to do with properties, by name.
    keep
        Properties that may be kept; None keeps all.
    allow
        Properties that are left as they are.
    consent
        What `context.consent` means.
    filters
        Filters of others by name, applied to every text that is left.
    """

    secrets: tuple[str, ...] = SECRETS
    on_secret: Action = Action.MASK
    text: Mapping[DataKind, Action] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(DataKind, Action.MASK))
    )
    max_text: int = MAX_TEXT
    properties: Mapping[str, Action] = field(default_factory=lambda: MappingProxyType({}))
    keep: frozenset[str] | None = None
    allow: frozenset[str] = frozenset()
    consent: Consent = Consent.RESPECT
    filters: Mapping[str, TextFilter] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def hashes(self) -> bool:
        """Whether anything is hashed, so that a key is needed."""
        return Action.HASH in (self.on_secret, *self.text.values(), *self.properties.values())


def plain_name(name: str) -> str:
    """A name in the form that rules compare: lower case, words parted by `_`.

    >>> plain_name("accessToken"), plain_name("X-Api-Key"), plain_name("ACCESS_TOKEN")
    ('access_token', 'x_api_key', 'access_token')
    """
    return _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower()).strip("_")


def names_one_of(plain: str, names: frozenset[str]) -> bool:
    """Whether a plain name is one of the names, or ends in one of them as words of their own.

    >>> names_one_of("csrf_token", frozenset({"token"})), names_one_of("token_count", frozenset({"token"}))
    (True, False)
    """
    while True:
        if plain in names:
            return True
        _, separator, plain = plain.partition("_")
        if not separator:
            return False


def secret_words(names: Iterable[str]) -> str:
    """Expression for names of secrets, with `_`, `-` or nothing between words; it matches nothing without names."""
    return "|".join(re.escape(name).replace("_", "[_-]?") for name in names) or r"(?!)"
