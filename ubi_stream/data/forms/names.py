"""What columns and event types are usually called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

TIME_NAMES: Final = r"(event_?|created_?|occurred_?)?(time_?stamp|time|date_?time|at|ts|date|when)(_ms|_utc)?"
USER_NAMES: Final = (
    r"(user|customer|visitor|client|member|account|person|player|shopper|distinct|anonymous|buyer|contact)_?(id|no|key)?",
    r"uid|who|e_?mail|user_?name|card(_?no|_?id)?",
    r"ip|(remote|client)_?(ip|addr(ess)?|host)",
)
TYPE_NAMES: Final = r"(event|action|activity|behaviou?r)_?(type|name)?|what|kind|type|verb|operation"
ROLES: Final[Mapping[str, str]] = {
    "amount": r"(unit_?|total_?|order_?)?(price|amount|revenue|total|value|cost)(_eur|_usd)?",
    "category": r"(product_?|item_?)?category(_?(code|name|id))?",
    "item": r"(product|item|article|sku|goods?)(_?(id|no|code))?",
    "latency": r"(latency|wait|duration|response_?time)(_ms)?",
}
"""Columns of the things that packs have roles for."""
SESSION_NAMES: Final = r"(user_?)?(session|visit)(_?id)?"
EVENT_ID_NAMES: Final = r"(event|message|row)_?(id|uuid)|uuid"
PERSONAL: Final = re.compile(
    r"[^@\s]+@[^@\s]+\.[^@\s]+|\d{1,3}(\.\d{1,3}){3}|(?=.*:.*:)[0-9a-fA-F:]+|\+\d[\d ()/-]{6,}"
)
"""An address of mail or of the net, or a number of a telephone."""

_CART: Final = "(cart|basket|bag)"
_THING: Final = "((product|item|content|detail)s?)"
_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "remove_from_cart": (f"(remove|delete)d?{_THING}?(from)?(the)?{_CART}", f"({_CART}|product)(item)?removed?"),
    "cart": (f"(add|put)(ed|s)?{_THING}?(in)?(to)?(the)?{_CART}", f"{_CART}(item)?(add|added)?", "productadded|atc"),
    "checkout": (
        "(begin|start|initiate|enter)?(the)?check(ed)?out(start|started|begun)?(step)?(viewed|completed)?",
        "(add)?(payment|shipping)info(entered)?",
    ),
    "purchase": (
        "purchased?|buy|bought|sale|sold|paid|payment|transaction|conversion",
        "orders?|ordered|order(placed|completed?|created|paid)",
    ),
    "favourite": (
        "fav(ou?rites?)?|favou?rited|wish(list)?|likes?|liked",
        f"({_THING})?add(ed)?to(wishlist|favou?rites)",
    ),
    "search": ("search(es|ed)?|query|viewsearchresults", "(products?|site)search(ed)?"),
    "login": ("(user)?(login|log(ged)?in|sign(ed)?in)",),
    "support": ("support(ticket|request)?|(open)?ticket|contact(ed)?(us|support)?|chat|helprequest",),
    "page_view": ("pageviews?|pageviewed|viewpage|page|visit(ed)?|screenview(ed)?|screen|hit",),
    "view": (
        f"(view|see|show|look)(ed|n)?(at)?{_THING}|{_THING}(views?|viewed|seen|page|clicked?|details?)",
        "views?|viewed|details?|pv|seen|clicks?|clicked",
    ),
}
"""Event types by what senders call them, in letters and digits alone; the first that fits."""


def column_like(names: str | Iterable[str], columns: Iterable[str]) -> list[str]:
    """Columns whose name, or whose last part, is one of these; the patterns in order, then the columns.

    >>> column_like(SESSION_NAMES, ["price", "user_session", "context.sessionId"])
    ['user_session', 'context.sessionId']
    """
    found = []
    for pattern in [names] if isinstance(names, str) else names:
        form = re.compile(pattern, re.IGNORECASE)
        for column in columns:
            last = re.split(r"(?<!\\)\.", column)[-1].strip().lstrip("$@").replace(" ", "_")
            if column not in found and form.fullmatch(last):
                found.append(column)
    return found


def place_type(name: str, known: Iterable[str]) -> str | None:
    """The event type of a pack that a sender's name stands for; None where none does for sure.

    >>> place_type("Add to Cart", ["view", "cart"]), place_type("scroll", ["view", "cart"])
    ('cart', None)
    """
    letters, types = _letters(name), tuple(known)
    for one in types:
        if _letters(one) == letters:
            return one
    found = (kind for kind, patterns in _TYPES.items() if any(re.fullmatch(one, letters) for one in patterns))
    return next((kind for kind in found if kind in types), None)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
