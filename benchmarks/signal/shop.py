"""A shop, drawn from a seed: what it sells at which prices, and how quickly its visitors read."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from random import Random
from typing import Any, Final

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

CATEGORIES: Final = (
    "shoes", "coats", "shirts", "jewellery", "watches", "lamps", "chairs", "carpets", "kettles", "knives", "drills",
    "paint", "seeds", "bicycles", "tents", "skis", "toys", "puzzles", "novels", "cookbooks", "phones", "headphones",
    "cameras", "printers", "perfume", "creams", "coffee", "wine", "pet food", "pushchairs",
)  # fmt: skip
_HOMES: Final = (
    ("Europe/Berlin", "EUR"),
    ("Europe/London", "GBP"),
    ("America/New_York", "USD"),
    ("Europe/Zurich", "CHF"),
)
_ABROAD: Final = (
    "Europe/Lisbon",
    "Europe/Helsinki",
    "America/Chicago",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Asia/Kolkata",
)


class ShopEvent(msgspec.Struct, gc=False):
    """One event of an invented stream; `delay_ms` is how much later it arrives than it happened."""

    time_ms: int
    user_id: str
    session_id: str
    event_type: str
    properties: dict[str, Any]
    context: dict[str, Any]
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Product:
    """One product: id, category, price in the shop's currency."""

    id: str
    category: str
    price: float

    def properties(self) -> dict[str, Any]:
        """What an event about the product carries."""
        return {"product_id": self.id, "category": self.category, "price": self.price}


@dataclass(frozen=True, slots=True)
class Shop:
    """What differs from shop to shop.

    Attributes
    ----------
    products
        By category.
    home, abroad, abroad_share
        Time zone of most users, those of the others, and their share.
    zone_share
        Share of users whose events say where their clock is; 0 for a shop that logs on its servers.
    think_s
        Median of the pause between two pages, 5 to 25 s.
    pages
        Median number of pages of a visit that is no bounce.
    bounces
        Share of a passer-by's visits that end after a page or two.
    carts, pays
        Chance that a visit fills a cart, and that a checkout ends in a purchase.
    night_people
        Share of users for whom the night is the usual time.
    checkout_ms
        Median waiting time of a checkout.
    passers_by
        Share of visits by people who come once.
    by_item
        Whether an order is one purchase event for each product.
    """

    products: dict[str, list[Product]]
    currency: str
    owner_partition: str
    abroad: tuple[str, ...]
    abroad_share: float
    zone_share: float
    think_s: float
    pages: float
    bounces: float
    carts: float
    pays: float
    night_people: float
    checkout_ms: float
    passers_by: float
    by_item: bool

    @property
    def categories(self) -> list[str]:
        """Names of the categories, the most popular first."""
        return list(self.products)


def lognormal(rng: Random, median: float, sigma: float) -> float:
    """A positive draw: half of them are below the median."""
    return median * exp(rng.gauss(0.0, sigma))


def between(rng: Random, low: float, high: float) -> float:
    """A positive draw whose logarithm is uniform."""
    return exp(rng.uniform(log(low), log(high)))


def draw_shop(rng: Random) -> Shop:
    """Draw a shop."""
    owner_partition, currency = rng.choice(_HOMES)
    names = rng.sample(CATEGORIES, rng.randint(9, 20))
    level = between(rng, 14.0, 32.0)
    products: dict[str, list[Product]] = {}
    for name in names:
        usual = lognormal(rng, level, 0.7)
        if rng.random() < 0.08:  # a few things are dear
            usual *= between(rng, 4.0, 10.0)
        spread = rng.uniform(0.3, 0.6)
        products[name] = [
            Product(f"{name[:2]}{number:03d}", name, max(0.5, round(lognormal(rng, usual, spread), 2)))
            for number in range(rng.randint(12, 45))
        ]
    return Shop(
        products=products,
        currency=currency,
        owner_partition=owner_partition,
        abroad=tuple(rng.sample(_ABROAD, 4)),
        abroad_share=rng.uniform(0.03, 0.25),
        zone_share=rng.uniform(0.7, 0.95),
        think_s=between(rng, 6.0, 25.0),
        pages=rng.uniform(4.0, 8.0),
        bounces=rng.uniform(0.35, 0.55),
        carts=rng.uniform(0.14, 0.26),
        pays=rng.uniform(0.55, 0.8),
        night_people=rng.uniform(0.01, 0.05),
        checkout_ms=between(rng, 450.0, 1100.0),
        passers_by=rng.uniform(0.15, 0.4),
        by_item=rng.random() < 0.4,
    )
