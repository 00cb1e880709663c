"""A made-up file in the form of the mapping `rees46`, for tests of the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

_HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
_START = datetime(2019, 10, 1, tzinfo=UTC)
_CATEGORIES = ("phones", "shoes", "toys", "books")


def write_shop_file(path: Path, *, events: int, users: int, seed: int = 1) -> Path:
    """Write this many good events of this many users, three seconds apart, and return the path.

    Users differ: the first ones come most. Most events are views, some carts, few purchases.
    """
    rng = Random(seed)
    lines = [_HEADER]
    for number in range(events):
        # Every user once, then more of the first.
        user = number if number < users else int(rng.random() ** 2 * users)
        kind = rng.choices(("view", "cart", "purchase"), weights=(85, 10, 5))[0]
        at = (_START + timedelta(seconds=3 * number)).strftime("%Y-%m-%d %H:%M:%S UTC")
        product, category = rng.randrange(500), rng.choice(_CATEGORIES)
        price = f"{rng.lognormvariate(3.5, 1):.2f}"
        lines.append(f"{at},{kind},{product},{len(category)},{category},acme,{price},{user},s{user}-{number // 600}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
