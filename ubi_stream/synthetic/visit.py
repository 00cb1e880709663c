"""One visit to the invented shop, step by step: pauses, pages, products, all drawn from one random source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

from ubi_stream.synthetic.catalogue import PAGES, SEARCHES

Step = tuple[float, str, dict[str, Any]]
"""The pause before it in milliseconds, the event type, the properties."""


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

    def within_ms(self, least_s: float, most_s: float) -> float:
        """A pause between two bounds, each length as likely as another."""
        return (least_s + self._random() * (most_s - least_s)) * 1000.0

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
