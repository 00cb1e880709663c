"""Users who do something that a person should hear about, as bots, thieves and tired people do it.

Each function returns the user's ordinary past, if there is one, and what is planted. None knows how the product
looks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from statistics import pstdev
from typing import Final

from benchmarks.signal.people import World
from benchmarks.signal.shop import DAY_MS, HOUR_MS, Product, ShopEvent, between, lognormal
from benchmarks.signal.visits import Person, Visit, visit_of


@dataclass(slots=True)
class Planted:
    """One thing that one user does.

    Attributes
    ----------
    kind
        What it is: a row of the report.
    events
        The events of it, in order.
    past
        What the same user did before, which is ordinary.
    positions
        Of the events in the stream, in order of arrival; known once the stream is put together.
    """

    kind: str
    events: list[ShopEvent]
    past: list[ShopEvent] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        """Whom it is about."""
        return self.events[0].user_id


Planter = Callable[[World], list[Planted]]


def _visitor(world: World) -> Person:
    person = world.person()
    person.bounces = 0.0
    return person


def _some_time(world: World, *, first: int = 0, last_hours: float = 12.0) -> int:
    """Any time of the stream, from a day on until so many hours before its end."""
    start_ms = world.calendar.start_ms
    return round(
        world.rng.uniform(start_ms + first * DAY_MS, start_ms + world.calendar.days * DAY_MS - last_hours * HOUR_MS)
    )


def _read_products(world: World, visit: Visit, count: int, pause_s: Callable[[], float]) -> Iterator[ShopEvent]:
    """A machine reads product after product, in the order of the catalogue."""
    products = [product for products in world.shop.products.values() for product in products]
    begin = world.rng.randrange(len(products))
    for number in range(count):
        yield visit.event("view", products[(begin + number) % len(products)].properties())
        visit.pause(pause_s())


def fast_bot(world: World) -> list[Planted]:
    """A page a second, or some 300 in a minute; comes again some hours later."""
    rng, person = world.rng, _visitor(world)
    if rng.random() < 0.5:
        mean_s, spread_s, count = rng.uniform(0.7, 1.1), rng.uniform(0.02, 0.3), rng.randint(120, 400)
        pause_s: Callable[[], float] = lambda: max(0.1, rng.gauss(mean_s, spread_s))  # noqa: E731 - two kinds of pause
    else:
        rate, count = rng.uniform(4.0, 7.0), rng.randint(220, 420)
        pause_s = lambda: 0.03 + rng.expovariate(rate)  # noqa: E731 - as above
    first_ms = _some_time(world, last_hours=20.0)
    again_ms = first_ms + round(rng.uniform(2.0, 11.0) * HOUR_MS)
    visits = [
        list(_read_products(world, Visit(world.shop, person, rng, start_ms), count, pause_s))
        for start_ms in (first_ms, again_ms)
    ]
    return [Planted("fast_bot", visits[0]), Planted("fast_bot_again", visits[1])]


def crawler(world: World) -> list[Planted]:
    """Equal pauses of 2 to 60 s, nearly without jitter, for hours."""
    rng, person = world.rng, _visitor(world)
    pause_s = between(rng, 2.0, 60.0)
    jitter = rng.uniform(0.002, 0.05)
    hours = rng.uniform(1.5, 4.0)
    count = min(round(hours * 3600 / pause_s), 1200)
    visit = Visit(world.shop, person, rng, _some_time(world))
    return [Planted("crawler", list(_read_products(world, visit, count, lambda: pause_s * rng.gauss(1.0, jitter))))]


def impulsive(world: World) -> list[Planted]:
    """Clicks without reading: pauses under 3 s, product after product into the cart."""
    rng, person = world.rng, _visitor(world)
    visit = Visit(world.shop, person, rng, _some_time(world))
    median_s, events = rng.uniform(1.0, 1.9), list[ShopEvent]()
    for _ in range(rng.randint(5, 10)):
        product = visit.product()
        for event_type in ("view",) * rng.randint(0, 2) + ("cart",) * rng.randint(1, 3):
            events.append(visit.event(event_type, product.properties()))
            visit.pause(min(2.9, 0.3 + lognormal(rng, median_s, 0.35)))
            product = visit.product() if rng.random() < 0.5 else product
    if rng.random() < 0.7:
        events.extend(visit.purchase([visit.product()]))
    return [Planted("impulsive", events)]


def _amounts(world: World) -> list[float]:
    """Amounts of erratic spending: small ones and spikes in turn, far from each other."""
    rng = world.rng
    while True:
        high = rng.uniform(380.0, 1100.0)
        amounts = [
            round(rng.uniform(8.0, 45.0) if number % 2 else high * rng.uniform(0.7, 1.2), 2)
            for number in range(rng.randint(6, 10))
        ]
        if pstdev(amounts[:4]) > 200.0:
            return amounts


def erratic(world: World) -> list[Planted]:
    """Amounts that jump; half of them bought ordinary things before, on other days."""
    rng, person = world.rng, _visitor(world)
    knows = rng.random() < 0.5
    last_day = world.calendar.days - 2
    past = _past(world, person, days=last_day - 1, buys=True) if knows and last_day > 1 else []
    begin_ms = _some_time(world, first=last_day - 1 if past else 0, last_hours=40.0)
    begin_ms = max([begin_ms, *(event.time_ms + HOUR_MS for event in past)])
    events: list[ShopEvent] = []
    for amount in _amounts(world):
        visit = Visit(world.shop, person, rng, begin_ms)
        product = visit.product()
        dear = Product(product.id, product.category, amount)
        for event_type in ("view", "cart"):
            events.append(visit.event(event_type, dear.properties()))
            visit.think()
        events.append(visit.event("purchase", dear.properties() | {"currency": world.shop.currency}))
        begin_ms = visit.time_ms + round(rng.uniform(0.7, 4.0) * HOUR_MS)
    return [Planted("erratic", events, past)]


def tired(world: World) -> list[Planted]:
    """A visit of 40 to 90 minutes; the events go on, more and more slowly."""
    rng, person = world.rng, _visitor(world)
    visit = Visit(world.shop, person, rng, _some_time(world))
    length_ms, start_ms = rng.uniform(40.0, 90.0) * 60_000, visit.time_ms
    events = list(visit.arrive())
    while visit.time_ms - start_ms < length_ms:
        slower = 1.0 + (visit.time_ms - start_ms) / length_ms
        visit.pause(min(lognormal(rng, 12.0 * slower, 0.6), 240.0))
        events.extend(visit.look())
    return [Planted("tired", events)]


def _at_night(world: World, *, knows_zone: bool) -> tuple[list[ShopEvent], list[ShopEvent]]:
    rng = world.rng
    person = world.person(knows_zone=knows_zone)
    person.bounces, person.hours = 0.0, ((15.0, 2.0, 1.0),)
    day = rng.randrange(1, world.calendar.days)
    past = _past(world, person, days=day - 1, buys=False) if rng.random() < 0.5 else []
    midnight_ms = world.calendar.start_ms + day * DAY_MS - person.offset_ms
    visit = Visit(world.shop, person, rng, midnight_ms + round(rng.uniform(0.1, 4.2) * HOUR_MS))
    return past, list(visit.shop_around(rng.randint(3, 14)))


def night(world: World) -> list[Planted]:
    """Comes between midnight and five, by a clock that is known."""
    past, events = _at_night(world, knows_zone=True)
    return [Planted("night", events, past)]


def night_unknown(world: World) -> list[Planted]:
    """The same, but nobody knows where the clock is."""
    past, events = _at_night(world, knows_zone=False)
    return [Planted("night_unknown", events, past)]


def takeover(world: World) -> list[Planted]:
    """A known customer's account in other hands: unusual hour, new category, ten times the usual amount."""
    rng, shop = world.rng, world.shop
    person = world.person(knows_zone=True)
    person.bounces, person.hours, person.purse = 0.0, ((rng.uniform(10.0, 20.0), 1.2, 1.0),), 0.4
    person.likes = person.likes[:2]
    past = _past(world, person, days=world.calendar.days - 2, buys=True)
    bought = [event.properties["price"] for event in past if event.event_type == "purchase"]
    amount = round(rng.uniform(9.0, 13.0) * sum(bought) / len(bought), 2)
    category = rng.choice([one for one in shop.categories if one not in {e.properties.get("category") for e in past}])
    hour = (person.hours[0][0] + rng.choice((-1, 1)) * rng.uniform(7.0, 11.0)) % 24
    last_day_ms = world.calendar.start_ms + (world.calendar.days - 1) * DAY_MS - person.offset_ms
    begin_ms = last_day_ms + round(hour * HOUR_MS)
    if begin_ms > world.calendar.start_ms + world.calendar.days * DAY_MS - HOUR_MS:
        begin_ms -= DAY_MS  # it is another day already where the clock is
    visit = Visit(shop, person, rng, begin_ms)
    dear = Product("zz001", category, amount).properties()
    events = [visit.event("login", {})] if rng.random() < 0.3 else []
    for event_type in ("view", "cart", "purchase") if not events else ("view", "purchase"):
        visit.pause(lognormal(rng, 12.0, 0.5))
        events.append(visit.event(event_type, dear.copy() | {"currency": shop.currency}))
    visit.pause(lognormal(rng, 40.0, 0.5))
    events.extend(visit.event("page_view", {"page": "account"}) for _ in range(1))
    return [Planted("takeover", events, past)]


def more_visits(world: World) -> list[Planted]:
    """Comes more than twice as often from a day on, for good."""
    return [_changed(world, "more_visits", world.rng.uniform(2.2, 3.0))]


def fewer_visits(world: World) -> list[Planted]:
    """Comes a third as often from a day on, for good."""
    return [_changed(world, "fewer_visits", world.rng.uniform(0.2, 0.35))]


def _changed(world: World, kind: str, factor: float) -> Planted:
    """A regular whose rate changes on a day of the second half of the stream, two weeks before its end or earlier."""
    rng, person = world.rng, _visitor(world)
    rate, day_of_change = rng.uniform(1.2, 2.5), rng.randint(world.calendar.days // 2, world.calendar.days - 14)
    past, events = list[ShopEvent](), list[ShopEvent]()
    for day in range(world.calendar.days):
        changed = day >= day_of_change
        expected = rate * person.weekdays[world.calendar.weekday(day)] * (factor if changed else 1.0)
        for _ in range(world.poisson(expected)):
            (events if changed else past).extend(world.visits(person, day))
    by_time = lambda event: event.time_ms  # noqa: E731 - visits may overlap
    return Planted(kind, sorted(events, key=by_time), sorted(past, key=by_time))


def _past(world: World, person: Person, *, days: int, buys: bool) -> list[ShopEvent]:
    """Visits at the person's usual hours on the days before, a purchase in most of them where `buys`."""
    rng, events = world.rng, list[ShopEvent]()
    if buys:
        person.carts, person.pays = 0.9, 0.95
    for attempt in range(20):
        for day in range(max(0, days)):
            if rng.random() < 0.85:
                events.extend(visit_of(world.shop, person, rng, world.start_of_visit(person, day)))
        if not buys or sum(event.event_type == "purchase" for event in events) >= 3 or attempt == 19:
            break
    return [] if days < 1 else sorted(events, key=lambda event: event.time_ms)


PLANTERS: Final[dict[str, Planter]] = {
    planter.__name__: planter
    for planter in (fast_bot, crawler, impulsive, erratic, tired, night, night_unknown, takeover)
}
"""What is to be found within a visit or a day."""
CHANGES: Final[dict[str, Planter]] = {planter.__name__: planter for planter in (more_visits, fewer_visits)}
"""What is to be found within days."""


def plant(world: World, counts: dict[str, int]) -> list[Planted]:
    """So many users of each kind."""
    return [one for kind, count in counts.items() for _ in range(count) for one in (PLANTERS | CHANGES)[kind](world)]


def first_ms(planted: Planted) -> float:
    """When it begins."""
    return min((event.time_ms for event in planted.events), default=inf)
