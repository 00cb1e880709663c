"""The invented shop: what its visitors look at, search for and buy."""

from __future__ import annotations

import math
from random import Random
from typing import Any

PRODUCTS = 2_000

# Category, its median price in USD, and its brands.
_SHELVES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("electronics.smartphone", 420.0, ("orion", "pavo", "lyra")),
    ("electronics.headphones", 85.0, ("aurel", "lyra", "sonum")),
    ("computers.notebook", 760.0, ("orion", "calyx", "meridian")),
    ("appliances.kitchen", 140.0, ("hestia", "calyx", "norden")),
    ("furniture.living_room", 310.0, ("norden", "tilia")),
    ("apparel.shoes", 65.0, ("corsa", "velo", "tilia")),
    ("kids.toys", 24.0, ("pippa", "velo")),
    ("sport.bicycle", 390.0, ("velo", "corsa")),
    ("beauty.skin_care", 18.0, ("alba", "sakura")),
    ("books.fiction", 12.0, ("quill", "harbour")),
)
_PRICE_SPREAD = 0.45  # standard deviation of the logarithm: two thirds within a factor of 1.6 of the median

SEARCHES = ("phone", "running shoes", "laptop bag", "coffee machine", "sofa", "gift", "cream", "novel", "bike light")
PAGES = ("/", "/offers", "/new", "/stores", "/help", "/blog")


def make_catalogue(rng: Random) -> list[dict[str, Any]]:
    """Properties of every product, the most popular first: product_id, category, brand, price in USD.

    >>> catalogue = make_catalogue(Random(7))
    >>> len(catalogue), sorted(catalogue[0])
    (2000, ['brand', 'category', 'price', 'product_id'])
    """
    products = []
    for number in range(PRODUCTS):
        category, median_usd, brands = rng.choice(_SHELVES)
        price_usd = round(median_usd * math.exp(rng.gauss(0.0, _PRICE_SPREAD)), 2)
        products.append(
            {"product_id": f"p{number:04d}", "category": category, "brand": rng.choice(brands), "price": price_usd}
        )
    return products
