"""Which requests become events, and of what type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Final
from urllib.parse import parse_qs, unquote

EXCLUDED: Final = (
    "/health", "/healthz", "/health/*", "/livez", "/readyz", "/ping", "/metrics",
    "/docs", "/docs/*", "/redoc", "/openapi.json", "/swagger", "/swagger/*",
    "/login", "/login/*", "/logout", "/signin", "/signout", "/auth/*", "/oauth/*", "/oauth2/*", "/token",
    "/static/*", "/assets/*", "/favicon.ico", "/robots.txt",
    "*.css", "*.js", "*.mjs", "*.map", "*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.ico", "*.webp", "*.avif",
    "*.woff", "*.woff2",
)  # fmt: skip
"""Paths that nobody's behaviour is in: health, documentation, log-in, files. `*` stands for anything."""
PAGE_VIEW: Final = "page_view"
_METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
_PLACE: Final = re.compile(r"\{(\w+)\}")
_MAX_FIELD: Final = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests of one kind.

    Parameters
    ----------
    path
        Pattern of the path: `{name}` stands for one part of it, `*` at the end for any rest.
    method
        HTTP method; None means any.
    event_type
        What such a request is; None drops it.
    fields
        Properties of the event and where they are: `path.NAME`, `query.NAME`, `header.NAME`.

    Examples
    --------
    >>> rule = Rule("/products/{id}", "GET", "view", {"product_id": "path.id", "campaign": "query.utm_campaign"})
    >>> rule.read("GET", "/products/p%201", "utm_campaign=may", {})
    {'product_id': 'p 1', 'campaign': 'may'}
    >>> rule.read("GET", "/products", "", {}) is None
    True
    """

    path: str
    method: str | None = None
    event_type: str | None = PAGE_VIEW
    fields: Mapping[str, str] = field(default_factory=dict)
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        open_end = self.path.endswith("*")
        parts = _PLACE.split(self.path.removesuffix("*"))
        pattern = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
        object.__setattr__(self, "_pattern", re.compile(pattern + (".*" if open_end else "/?")))
        for name, place in self.fields.items():
            kind, _, key = place.partition(".")
            if kind not in ("path", "query", "header") or not key:
                raise ValueError(f"fields: {name} = {place!r}: expected path.NAME, query.NAME or header.NAME")
            if kind == "path" and key not in self._pattern.groupindex:
                raise ValueError(f"fields: {name} = {place!r}: the path {self.path!r} has no {{{key}}}")

    def read(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        """Properties of a request; None where the rule is about others."""
        if self.method is not None and self.method != method:
            return None
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        if not self.fields:
            return {}
        asked = parse_qs(query, max_num_fields=64) if query else {}
        found: dict[str, str] = {}
        for name, place in self.fields.items():
            kind, _, key = place.partition(".")
            value = (
                unquote(match[key])
                if kind == "path"
                else asked.get(key, [""])[0]
                if kind == "query"
                else headers.get(key.lower(), "")
            )
            if value:
                found[name] = value[:_MAX_FIELD]
        return found


class RequestRules:
    """What becomes of a request: the first rule that fits; without one a page view, unless its path is excluded.

    Parameters
    ----------
    rules
        In the order in which they are tried; they come before `excluded`.
    excluded
        Patterns of paths that become no event.
    default
        Type of the others; None makes events by rules alone.
    """

    def __init__(
        self, rules: Sequence[Rule] = (), *, excluded: Sequence[str] = EXCLUDED, default: str | None = PAGE_VIEW
    ) -> None:
        self._rules = tuple(rules)
        self._excluded = re.compile("|".join(translate(pattern) for pattern in excluded) or r"(?!)", re.IGNORECASE)
        self._default = default

    def event_of(
        self, method: str, path: str, query: str, headers: Mapping[str, str]
    ) -> tuple[str, dict[str, str]] | None:
        """Type and properties of a request's event; None where it becomes none."""
        if method not in _METHODS:
            return None
        for rule in self._rules:
            fields = rule.read(method, path, query, headers)
            if fields is not None:
                return None if rule.event_type is None else (rule.event_type, fields)
        if self._default is None or self._excluded.match(path):
            return None
        return self._default, {}
