"""One visit of a person: pages at a reader's pace, tabs, double clicks, a cart, a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from benchmarks.signal.shop import Product, Shop, ShopEvent, lognormal

_PAGES: Final = ("home", "offers", "delivery", "returns", "size guide", "stores", "account")
_WORDS: Final = ("gift", "sale", "blue", "small", "wool", "new", "spare part", "set")
_LONGEST_BREAK_S: Final = 1500.0
"""Who stays away longer has left: their next page is another visit."""


@dataclass(slots=True)
class Person:
    """Somebody with habits.

    Attributes
    ----------
    context
        What every event of the person carries about the clock; empty where the shop does not know.
    offset_ms
        Of the person's clock against UTC.
    hours
        Usual hours of the day as (centre, spread, weight).
    weekdays
        Weight of each weekday, Monday first; 1 on average.
    rate
        Visits a day.
    pace, patience, waits
        Factors of the shop's pause, number of pages and waiting time.
    carts, pays
        Chances, as of the shop.
    likes
        Categories that the person looks at, the favourite first.
    purse
        How dear a product may be against the others of its category, 0 to 1.
    devices
        1 or 2.
    first_day, last_day
        Days on which the person may come.
    """

    id: str
    context: dict[str, Any]
    offset_ms: int
    hours: tuple[tuple[float, float, float], ...]
    weekdays: tuple[float, ...]
    rate: float
    pace: float
    patience: float
    waits: float
    carts: float
    pays: float
    likes: list[str]
    purse: float
    devices: int = 1
    first_day: int = 0
    last_day: int = 10_000
    bounces: float = 0.2
    logs_in: bool = False
    visits: int = field(default=0)


class Visit:
    """Writes the events of one visit, one after another."""

    def __init__(self, shop: Shop, person: Person, rng: Random, start_ms: int, device: int = 0) -> None:
        self._shop, self._person, self._rng = shop, person, rng
        self.time_ms = start_ms
        self._session = f"{rng.getrandbits(40):010x}"
        self._context = {**person.context, "device": ("phone", "desktop")[device]}
        self._think_s = shop.think_s * person.pace * lognormal(rng, 1.0, 0.2)
        person.visits += 1

    def event(self, event_type: str, properties: dict[str, Any]) -> ShopEvent:
        """An event now; a small share arrives late, as from a phone in a tunnel."""
        late = self._rng.random()
        delay_ms = 0 if late > 0.006 else int(self._rng.expovariate(1 / 20_000))
        return ShopEvent(self.time_ms, self._person.id, self._session, event_type, properties, self._context, delay_ms)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.time_ms += max(1, round(1000 * seconds))

    def think(self, share: float = 1.0) -> None:
        """Read the page; now and then the telephone rings."""
        rng = self._rng
        if rng.random() < 0.015:
            self.pause(min(lognormal(rng, 240.0, 0.8), _LONGEST_BREAK_S))
        else:
            self.pause(min(0.4 + lognormal(rng, share * self._think_s, 0.85), _LONGEST_BREAK_S))

    def product(self) -> Product:
        """A product that the person might like."""
        rng, person = self._rng, self._person
        if rng.random() < 0.06:
            category = rng.choice(self._shop.categories)
        else:
            category = person.likes[min(int(rng.expovariate(1.1)), len(person.likes) - 1)]
        products = self._shop.products[category]
        two = rng.sample(products, 2)
        return min(two, key=lambda one: one.price) if rng.random() > person.purse else rng.choice(two)

    def click(self, event_type: str, properties: dict[str, Any]) -> Iterator[ShopEvent]:
        """An event, and a second one where the finger trembled."""
        yield self.event(event_type, properties)
        if self._rng.random() < 0.012:
            self.pause(self._rng.uniform(0.06, 0.4))
            yield self.event(event_type, properties.copy())

    def look(self) -> Iterator[ShopEvent]:
        """One look: a product, several tabs, a page, or a search."""
        rng, kind = self._rng, self._rng.random()
        if kind < 0.12:
            yield from self.click("search", {"query": rng.choice(_WORDS)})
        elif kind < 0.24:
            yield from self.click("page_view", {"page": rng.choice(_PAGES)})
        elif kind < 0.28:  # several tabs at once, read afterwards
            for _ in range(rng.randint(2, 4)):
                yield self.event("view", self.product().properties())
                self.pause(rng.uniform(0.5, 2.2))
        else:
            yield from self.click("view", self.product().properties())

    def arrive(self) -> Iterator[ShopEvent]:
        """The first page; who logs in gets two events in the same second."""
        if self._person.logs_in and self._rng.random() < 0.5:
            yield self.event("login", {})
            self.pause(self._rng.uniform(0.02, 0.9))
        if self._rng.random() < 0.6:
            yield self.event("page_view", {"page": "home"})
            if self._rng.random() < 0.15:  # the page loads what was looked at last
                self.pause(self._rng.uniform(0.03, 0.3))
                yield self.event("view", self.product().properties())
        else:
            yield self.event("view", self.product().properties())

    def shop_around(self, pages: int) -> Iterator[ShopEvent]:
        """Arrive, and look at so many pages."""
        yield from self.arrive()
        for _ in range(pages - 1):
            self.think()
            yield from self.look()

    def buy(self, products: list[Product]) -> Iterator[ShopEvent]:
        """Cart, checkout, and mostly a purchase."""
        rng, kept = self._rng, []
        for product in products:
            self.think(0.7)
            yield from self.click("cart", product.properties())
            if rng.random() < 0.08:
                self.think(0.6)
                yield self.event("remove_from_cart", product.properties())
            else:
                kept.append(product)
        if not kept or rng.random() < 0.25:
            return
        self.think()
        total = round(sum(product.price for product in kept), 2)
        latency = round(lognormal(rng, self._shop.checkout_ms * self._person.waits, 0.45))
        self.pause(latency / 1000)
        yield self.event("checkout", {"latency_ms": latency, "price": total, "currency": self._shop.currency})
        if rng.random() > self._person.pays:
            if rng.random() < 0.05:
                self.think(3.0)
                yield self.event("support", {"topic": rng.choice(("payment", "delivery"))})
            return
        self.think(1.5)
        yield from self.purchase(kept)

    def purchase(self, products: list[Product]) -> Iterator[ShopEvent]:
        """The order: one event, or one for each product."""
        currency = {"currency": self._shop.currency}
        if self._shop.by_item:
            for product in products:
                yield self.event("purchase", product.properties() | currency)
            return
        total = round(sum(product.price for product in products), 2)
        yield self.event("purchase", products[0].properties() | currency | {"price": total, "items": len(products)})


def visit_of(shop: Shop, person: Person, rng: Random, start_ms: int, *, buys: float = 1.0) -> Iterator[ShopEvent]:
    """Events of a usual visit; `buys` is a factor of how likely a cart is."""
    visit = Visit(shop, person, rng, start_ms, device=rng.randrange(person.devices))
    if rng.random() < person.bounces:
        yield from visit.shop_around(1 if rng.random() < 0.7 else 2)
        return
    pages = max(2, round(lognormal(rng, shop.pages * person.patience, 0.6)))
    yield from visit.shop_around(min(pages, 120))
    if rng.random() < person.carts * buys:
        yield from visit.buy([visit.product() for _ in range(min(1 + int(rng.expovariate(1.3)), 6))])
        if rng.random() < 0.2:
            for _ in range(rng.randint(1, 4)):
                visit.think()
                yield from visit.look()
