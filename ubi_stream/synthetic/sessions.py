"""Visits that are sure to be what they are named after, to try classes of visits and rules with.

They follow how people (and bots) behave, well within what the name says: nothing here knows a pack's thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from ubi_stream.synthetic.visit import Step, Visit

_PURCHASES_USD: Final = (14.0, 690.0, 9.0, 1240.0, 21.0, 860.0)
"""What somebody pays whose spending jumps: for every trifle something large."""


class NightHour(NamedTuple):
    """An hour of the night, and where on earth it is then."""

    hour: float

    def offset_min(self, time_ms: int) -> int:
        """How far a clock that shows the hour at that time is ahead of UTC, in minutes: from -12 to +14 hours."""
        offset = round(self.hour * 60) - time_ms // 60_000 % 1440
        return offset + 1440 if offset < -720 else offset - 1440 if offset > 840 else offset


NIGHT: Final = NightHour(2.0)


def bouncer(visit: Visit) -> Iterator[Step]:
    """Comes in on one page and leaves, perhaps after a second one."""
    yield visit.page()
    if visit.chance(0.5):
        yield visit.within_ms(3, 20), *visit.view()[1:]


def browser(visit: Visit) -> Iterator[Step]:
    """Looks at some products for some minutes, and may put one into the cart."""
    yield visit.page()
    for _ in range(visit.between(4, 7)):
        yield visit.within_ms(15, 90), *visit.view()[1:]
    if visit.chance(0.3):
        yield visit.within_ms(10, 40), "cart", visit.product()


def engaged_shopper(visit: Visit) -> Iterator[Step]:
    """Searches, compares a dozen products in a quarter of an hour, and buys one."""
    yield visit.page()
    yield visit.within_ms(10, 30), *visit.search()[1:]
    for _ in range(visit.between(10, 14)):
        yield visit.within_ms(60, 90), *visit.view()[1:]
    yield from _buy(visit)


def power_user(visit: Visit) -> Iterator[Step]:
    """Logs in, looks at dozens of products in three quarters of an hour, and buys twice."""
    yield visit.within_ms(1, 3), "login", {}
    for _ in range(2):
        yield visit.within_ms(10, 30), *visit.search()[1:]
        for _ in range(visit.between(17, 20)):
            yield visit.within_ms(55, 85), *visit.view()[1:]
        yield from _buy(visit)


def impulsive(visit: Visit) -> Iterator[Step]:
    """Hardly looks at anything before it is in the cart: a second or two between two actions."""
    yield visit.page()
    for _ in range(visit.between(9, 12)):
        product = visit.product()
        yield visit.within_ms(0.7, 2.2), "view", product
        yield visit.within_ms(0.5, 1.8), "cart", product.copy()
    yield visit.within_ms(1, 2), "checkout", {"latency_ms": 400, "price": product["price"]}
    yield visit.within_ms(1, 2), "purchase", product.copy()


def erratic_spender(visit: Visit) -> Iterator[Step]:
    """Buys again and again, now for a trifle, now for a month's budget."""
    yield visit.page()
    for price in _PURCHASES_USD:
        product = visit.product() | {"price": round(price * visit.within_ms(0.9, 1.1) / 1000, 2)}
        yield visit.within_ms(20, 60), "view", product
        yield visit.within_ms(10, 30), "cart", product.copy()
        yield visit.within_ms(10, 30), "purchase", product.copy()


def tired(visit: Visit) -> Iterator[Step]:
    """Goes on and on for an hour, slower and slower, and buys nothing."""
    yield visit.page()
    pace_s = 20.0
    for _ in range(visit.between(34, 40)):
        yield visit.within_ms(0.7 * pace_s, 1.3 * pace_s), *visit.view()[1:]
        pace_s *= 1.08


def night_owl(visit: Visit) -> Iterator[Step]:
    """Comes at night, looks around, and fills a cart."""
    yield visit.page()
    for _ in range(visit.between(6, 12)):
        yield visit.within_ms(8, 50), *visit.view()[1:]
    yield visit.within_ms(5, 20), "cart", visit.product()


def bot(visit: Visit) -> Iterator[Step]:
    """Reads product after product, several a second, for a minute."""
    for _ in range(visit.between(300, 360)):
        yield visit.within_ms(0.15, 0.22), "view", visit.product()


def _buy(visit: Visit) -> Iterator[Step]:
    product = visit.product()
    yield visit.within_ms(10, 40), "cart", product
    yield visit.within_ms(10, 40), "checkout", {"latency_ms": visit.latency_ms(650.0), "price": product["price"]}
    yield visit.within_ms(15, 45), "purchase", product.copy()


SESSIONS: Final[dict[str, Callable[[Visit], Iterator[Step]]]] = {
    script.__name__: script
    for script in (bouncer, browser, engaged_shopper, power_user, impulsive, erratic_spender, tired, night_owl, bot)
}
"""By name."""
