"""Kinds of visitors, each a short script of what one visit looks like.

A script yields steps: the pause before it in milliseconds, the event type, the properties. Scripts draw everything
from the visit's random source, so the same seed gives the same visit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from ubi_stream.replay.catalogue import PAGES, SEARCHES

Step = tuple[float, str, dict[str, Any]]

# An at-risk customer's checkout starts at this latency and gets slower by a third at every visit, up to 15 s.
_FIRST_LATENCY_MS, _LATENCY_GROWTH, _MOST_LATENCY_MS = 900.0, 1.33, 15_000.0
_USUAL_LATENCY_MS = 650.0


class Visit:
    """One visit: its random source, the shop, and how many visits the user made before."""

    __slots__ = ("_catalogue", "_random", "before")

    def __init__(self, rng: Random, catalogue: list[dict[str, Any]], before: int) -> None:
        self._random = rng.random
        self._catalogue = catalogue
        self.before = before

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def between(self, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return least + int(self._random() * (most - least + 1))

    def pause_ms(self, mean_s: float) -> float:
        """Time to think: exponential, so mostly short and now and then long."""
        return -math.log(1.0 - self._random()) * mean_s * 1000.0

    def product(self) -> dict[str, Any]:
        """A product; the first of the catalogue are looked at most."""
        return self._catalogue[int(self._random() ** 3 * len(self._catalogue))].copy()

    def page(self, mean_s: float = 8.0) -> Step:
        """A page that is no product."""
        return self.pause_ms(mean_s), "page_view", {"page": PAGES[int(self._random() * len(PAGES))]}

    def search(self, mean_s: float = 10.0) -> Step:
        """A search."""
        return self.pause_ms(mean_s), "search", {"query": SEARCHES[int(self._random() * len(SEARCHES))]}

    def view(self, mean_s: float = 14.0) -> Step:
        """A look at a product."""
        return self.pause_ms(mean_s), "view", self.product()

    def latency_ms(self, typical_ms: float) -> int:
        """How long the checkout took to answer: from half of the typical value to half over it."""
        return round(typical_ms * (0.5 + self._random()))

    def buy(self, latency_ms: float, pays: float) -> Iterator[Step]:
        """Cart, checkout, and with probability `pays` the purchase."""
        product = self.product()
        yield self.pause_ms(9.0), "cart", product
        latency = self.latency_ms(latency_ms)
        yield self.pause_ms(12.0) + latency, "checkout", {"latency_ms": latency, "price": product["price"]}
        if self.chance(pays):
            yield self.pause_ms(15.0), "purchase", product.copy()


def bouncer(visit: Visit) -> Iterator[Step]:
    """Lands on a page and leaves."""
    yield visit.page() if visit.chance(0.6) else visit.view()


def browser(visit: Visit) -> Iterator[Step]:
    """Looks around and never fills a cart."""
    yield visit.page()
    for _ in range(visit.between(3, 14)):
        yield visit.search() if visit.chance(0.15) else visit.view()


def engaged_shopper(visit: Visit) -> Iterator[Step]:
    """Searches, compares, often fills a cart and buys in every third visit or so."""
    yield visit.page()
    yield visit.search()
    for _ in range(visit.between(4, 14)):
        yield visit.view()
    if visit.chance(0.6):
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.6)


def power_user(visit: Visit) -> Iterator[Step]:
    """Logs in, knows the shop, looks at a lot and buys more than once."""
    yield visit.pause_ms(3.0), "login", {}
    for _ in range(visit.between(1, 3)):
        yield visit.search(6.0)
        for _ in range(visit.between(4, 10)):
            yield visit.view(7.0)
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.85)


def at_risk(visit: Visit) -> Iterator[Step]:
    """Was a good customer; each visit is longer and more tired, the checkout slower, and a purchase less likely."""
    tired = min(visit.before, 12)
    latency_ms = min(_FIRST_LATENCY_MS * _LATENCY_GROWTH**visit.before, _MOST_LATENCY_MS)
    yield visit.page()
    for turn in range(visit.between(5, 8) + tired):
        yield visit.view(10.0 * (1.0 + 0.06 * tired * turn / 4))
        if visit.chance(0.1):
            yield visit.search()
    yield from visit.buy(latency_ms, pays=max(0.6 - 0.06 * tired, 0.05))
    if visit.chance(0.05 * tired):
        yield visit.pause_ms(30.0), "support", {"topic": "checkout"}


def night_owl(visit: Visit) -> Iterator[Step]:
    """Comes at night, in a hurry, and removes half of what went into the cart."""
    yield visit.page(3.0)
    for _ in range(visit.between(5, 12)):
        yield visit.view(4.0)
    product = visit.product()
    yield visit.pause_ms(4.0), "cart", product
    if visit.chance(0.5):
        yield visit.pause_ms(4.0), "remove_from_cart", product.copy()
    else:
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.7)


def bot(visit: Visit) -> Iterator[Step]:
    """Reads product after product at machine pace: 300 to 400 views a minute."""
    for _ in range(visit.between(250, 450)):
        yield 130.0 + visit.pause_ms(0.04), "view", visit.product()


class Persona(NamedTuple):
    """A kind of visitor.

    Attributes
    ----------
    name
        What the generator's report and the tests call it; it never appears in an event.
    users
        Share of all users, 0 to 1.
    visits
        Visits of one such user compared with a bouncer's; unused for the night owls and bots, who come on their own
        schedule.
    script
        One visit.
    """

    name: str
    users: float
    visits: float
    script: Callable[[Visit], Iterator[Step]]


NIGHT_OWL = Persona("night_owl", 0.05, 0.0, night_owl)
BOT = Persona("bot", 0.001, 0.0, bot)
DAILY = (
    Persona("browser", 0.37, 1.5, browser),
    Persona("bouncer", 0.25, 1.0, bouncer),
    Persona("engaged_shopper", 0.18, 2.0, engaged_shopper),
    Persona("at_risk", 0.099, 2.0, at_risk),
    Persona("power_user", 0.05, 4.0, power_user),
)
PERSONAS = (*DAILY, NIGHT_OWL, BOT)
