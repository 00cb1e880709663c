"""Who lives in an invented world, and when they come: days, nights, weekends, seasons, habits of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from math import exp, pi, sin
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from benchmarks.signal.shop import DAY_MS, HOUR_MS, Shop, ShopEvent, between, lognormal
from benchmarks.signal.visits import Person, visit_of

_EARLY: Final = ((7.0, 1.2, 0.7), (20.0, 2.0, 0.3))
_LUNCH: Final = ((12.5, 1.0, 0.6), (18.5, 2.0, 0.4))
_DAYTIME: Final = ((10.5, 1.8, 0.5), (15.0, 2.0, 0.5))
_EVENING: Final = ((20.3, 1.6, 0.8), (13.0, 2.5, 0.2))
_NIGHT: Final = ((1.0, 1.5, 0.8), (22.5, 1.2, 0.2))
_ANY_TIME: Final = ((14.5, 4.2, 1.0),)
"""Of who comes once, and of the visits that are not at a person's usual hours."""
_EVEN: Final = (1.0,) * 7
_WORKDAYS: Final = (1.3, 1.3, 1.3, 1.3, 1.2, 0.3, 0.3)
_WEEKENDS: Final = (0.6, 0.6, 0.6, 0.6, 0.9, 1.9, 1.8)
_THERE: Final = 0.88
"""Share of the days of a stream on which a regular is there: some begin, some stop."""
_PLAYED: Final = 500
"""Visits that are played to learn how many events one has."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When a stream begins, how long it is, and how busy each of its days is against the others."""

    start_ms: int
    days: int
    busy: tuple[float, ...]
    buys: tuple[float, ...]
    holidays: frozenset[int] = frozenset()

    def weekday(self, day: int) -> int:
        """Monday is 0; a holiday is a Sunday."""
        return 6 if day in self.holidays else (self.start_ms // DAY_MS + day + 3) % 7


def draw_calendar(rng: Random, days: int) -> Calendar:
    """A start at any date of two years, a slow season, and days that differ."""
    start_ms = int(datetime(2025, 1, 6, tzinfo=UTC).timestamp()) * 1000 + rng.randrange(700) * DAY_MS
    phase, height = rng.uniform(0, 2 * pi), rng.uniform(0.0, 0.2)
    season = (1 + height * sin(phase + 2 * pi * day / 60) for day in range(days))
    busy = tuple(level * lognormal(rng, 1.0, 0.06) for level in season)
    return Calendar(start_ms, days, busy, (1.0,) * days)


@lru_cache(maxsize=4096)
def offset_ms(zone: str, day_ms: int) -> int:
    """Of a zone's clock against UTC on a day."""
    offset = datetime.fromtimestamp(day_ms // 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None, "the time has a zone"
    return int(offset.total_seconds()) * 1000


class World:
    """A shop and the people of a stream; every draw comes from one random source.

    Attributes
    ----------
    rng, shop, calendar
        What the world was drawn with.
    """

    def __init__(self, seed: int, calendar: Calendar, shop: Shop) -> None:
        self.rng = Random(f"world {seed}")
        self.shop = shop
        self.calendar = calendar

    def user_id(self) -> str:
        """An id that says nothing about its user."""
        return f"{self.rng.getrandbits(48):012x}"

    def person(self, *, zone: str | None = None, knows_zone: bool | None = None) -> Person:
        """Somebody who comes again: with usual hours, weekdays, categories, a pace and a purse."""
        rng, shop = self.rng, self.shop
        if zone is None:
            zone = rng.choice(shop.abroad) if rng.random() < shop.abroad_share else shop.owner_partition
        offset = offset_ms(zone, self.calendar.start_ms)
        if knows_zone is None:
            knows_zone = rng.random() < shop.zone_share
        clock = {"timezone": zone} if rng.random() < 0.5 else {"utc_offset_min": offset // 60_000}
        is_night = rng.random() < shop.night_people
        likes = rng.sample(shop.categories, rng.randint(2, 5))
        return Person(
            id=self.user_id(),
            context=clock if knows_zone else {},
            offset_ms=offset,
            hours=_NIGHT if is_night else rng.choices((_EARLY, _LUNCH, _DAYTIME, _EVENING), (1, 2, 2, 4))[0],
            weekdays=rng.choices((_EVEN, _WORKDAYS, _WEEKENDS), (5, 3, 3))[0],
            rate=min(lognormal(rng, 0.16, 1.0), 3.0),
            pace=lognormal(rng, 1.0, 0.2),
            patience=lognormal(rng, 1.0, 0.3) * (4.0 if rng.random() < 0.02 else 1.0),
            waits=between(rng, 2.0, 4.0) if rng.random() < 0.03 else lognormal(rng, 1.0, 0.15),
            carts=min(0.8, shop.carts * lognormal(rng, 1.0, 0.5)),
            pays=min(0.95, shop.pays * lognormal(rng, 1.0, 0.15)),
            likes=likes,
            purse=rng.uniform(0.1, 0.9),
            devices=2 if rng.random() < 0.2 else 1,
            logs_in=rng.random() < 0.35,
        )

    def passer_by(self, day: int) -> Person:
        """Somebody who comes on one day only."""
        person = self.person()
        person.hours, person.weekdays, person.bounces = _ANY_TIME, _EVEN, self.shop.bounces
        person.devices, person.carts, person.first_day, person.last_day = 1, person.carts * 0.5, day, day
        return person

    def regulars(self, visits_a_day: float) -> list[Person]:
        """People whose visits add up to so many a day; a quarter of them begin or stop within the stream."""
        rng, people, rate = self.rng, list[Person](), 0.0
        while rate < visits_a_day:
            person = self.person()
            if rng.random() < 0.15:
                person.first_day = rng.randrange(self.calendar.days)
            elif rng.random() < 0.1:
                person.last_day = rng.randrange(self.calendar.days)
            people.append(person)
            rate += person.rate
        return people

    def start_of_visit(self, person: Person, day: int) -> int:
        """A time of that local day at which the person would come, Unix milliseconds."""
        rng = self.rng
        usual = person.hours if rng.random() > 0.06 else _ANY_TIME
        centre, spread, _ = rng.choices(usual, [weight for *_, weight in usual])[0]
        local_ms = round(rng.gauss(centre, spread) % 24 * HOUR_MS)
        midnight_ms = self.calendar.start_ms + day * DAY_MS
        return midnight_ms + local_ms - person.offset_ms

    def days_of(self, people: Sequence[Person], passers_by: float) -> Iterator[ShopEvent]:
        """Everything that happens on all days: visits of the people, and of so many passers-by a day."""
        for day in range(self.calendar.days):
            busy = self.calendar.busy[day]
            weekday = self.calendar.weekday(day)
            for person in people:
                if person.first_day <= day <= person.last_day:
                    for _ in range(self.poisson(person.rate * busy * person.weekdays[weekday])):
                        yield from self.visits(person, day)
            weekend = 1.15 if weekday >= 5 else 1.0
            for _ in range(self.poisson(passers_by * busy * weekend)):
                yield from self.visits(self.passer_by(day), day)

    def visits(self, person: Person, day: int) -> Iterator[ShopEvent]:
        """A visit on a day; with two devices now and then another one beside it."""
        start_ms = self.start_of_visit(person, day)
        buys = self.calendar.buys[day]
        yield from visit_of(self.shop, person, self.rng, start_ms, buys=buys)
        if person.devices == 2 and self.rng.random() < 0.12:
            beside_ms = start_ms + self.rng.randrange(20_000, 400_000)
            yield from visit_of(self.shop, person, self.rng, beside_ms, buys=buys)

    def life(self, events: int) -> Iterator[ShopEvent]:
        """Normal life of about so many events."""
        visits = events / self._events_of_a_visit() / self.calendar.days
        once = visits * self.shop.passers_by
        yield from self.days_of(self.regulars((visits - once) / _THERE), once)

    def poisson(self, mean: float) -> int:
        """A draw of a Poisson distribution with a small mean, or the rounded normal one of a large mean."""
        if mean > 50:
            return max(0, round(self.rng.gauss(mean, mean**0.5)))
        left, count = self.rng.random(), 0
        term = exp(-mean)
        while left > term:
            left -= term
            count += 1
            term *= mean / count
            if term < 1e-300:
                break
        return count

    def _events_of_a_visit(self) -> float:
        """Mean number of events, from some visits that are played in a world beside this one."""
        beside = World(0, self.calendar, self.shop)
        regulars = [beside.person() for _ in range(_PLAYED)]
        people = beside.rng.choices(regulars, [person.rate for person in regulars], k=_PLAYED)
        for number in range(round(_PLAYED * self.shop.passers_by)):
            people[number] = beside.passer_by(0)
        return sum(1 for person in people for _ in beside.visits(person, 0)) / _PLAYED


def with_sale(calendar: Calendar, day: int, factor: float, buys: float) -> Calendar:
    """The same with one day that has so many times the visits, and more of them with a cart."""
    busy, carts = list(calendar.busy), list(calendar.buys)
    busy[day] *= factor
    carts[day] *= buys
    return replace(calendar, busy=tuple(busy), buys=tuple(carts))


def with_holiday(calendar: Calendar, day: int, factor: float) -> Calendar:
    """The same with a working day on which people are at home."""
    busy = list(calendar.busy)
    busy[day] *= factor
    return replace(calendar, busy=tuple(busy), holidays=frozenset((day,)))
