"""The streams of the benchmark: normal life with something planted in it, as records of the events topic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from random import Random
from typing import Final

import orjson

from benchmarks.signal.incidents import INCIDENTS, Incident
from benchmarks.signal.people import Calendar, World, draw_calendar, with_holiday, with_sale
from benchmarks.signal.planted import CHANGES, PLANTERS, Planted, plant
from benchmarks.signal.shop import DAY_MS, MINUTE_MS, ShopEvent, draw_shop
from benchmarks.signal.visits import Person, Visit
from ubi_stream.data.records import ProducerRecord

_SENT_TWICE: Final = 0.002
"""Share of events that a client sends again, because it missed the answer."""
_WORKDAY: Final = ((9.7, 1.0, 0.5), (14.5, 1.3, 0.5))
_SATURDAY: Final = ((13.0, 2.0, 1.0),)


@dataclass(frozen=True, slots=True)
class Stream:
    """Records in order of arrival, and what is true of them.

    Attributes
    ----------
    records
        What the events topic would hold; a position in it is an offset.
    arrivals
        When each record arrives, Unix milliseconds; `times` when its event happened.
    planted, incidents
        What is to be found.
    active
        (user, UTC day since 1970) of every day on which a user did something.
    """

    name: str
    seed: int
    calendar: Calendar
    records: list[ProducerRecord]
    arrivals: list[int]
    times: list[int]
    planted: list[Planted] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    active: frozenset[tuple[str, int]] = frozenset()
    users: frozenset[str] = frozenset()

    def events_of(self, incident: Incident) -> int:
        """Number of events while an incident lasts."""
        return sum(incident.from_ms <= time_ms < incident.until_ms for time_ms in self.times)


def assemble(
    world: World, name: str, seed: int, events: Iterable[ShopEvent], planted: list[Planted], incidents: list[Incident]
) -> Stream:
    """Bring all events into order of arrival, send a few twice, and encode them."""
    rng = Random(f"sending {seed}")
    end_ms = world.calendar.start_ms + world.calendar.days * DAY_MS
    sent: list[tuple[int, int, ShopEvent]] = []
    for number, event in enumerate(events):
        if not world.calendar.start_ms <= event.time_ms < end_ms:
            continue
        arrival_ms = event.time_ms + event.delay_ms
        sent.append((arrival_ms, number, event))
        if rng.random() < _SENT_TWICE:
            sent.append((arrival_ms + rng.randrange(1_000, 60_000), number, event))
    sent.sort(key=lambda one: one[:2])
    place: dict[int, int] = {}
    for position, (_, _, event) in enumerate(sent):
        place.setdefault(id(event), position)
    for one in planted:
        one.positions = sorted(place[id(event)] for event in one.events if id(event) in place)
    return Stream(
        name,
        seed,
        world.calendar,
        [_record(event, number) for _, number, event in sent],
        [arrival_ms for arrival_ms, _, _ in sent],
        [event.time_ms for _, _, event in sent],
        [one for one in planted if one.positions],
        incidents,
        frozenset((event.user_id, event.time_ms // DAY_MS) for _, _, event in sent),
        frozenset(event.user_id for _, _, event in sent),
    )


def _record(event: ShopEvent, number: int) -> ProducerRecord:
    data = {
        "event_id": f"e{number:x}",
        "event_time": event.time_ms,
        "event_type": event.event_type,
        "user_id": event.user_id,
        "session_id": event.session_id,
        "properties": event.properties,
        "context": event.context,
    }
    return ProducerRecord(event.user_id.encode(), orjson.dumps(data), event.time_ms)


def _world(name: str, seed: int, days: int) -> World:
    rng = Random(f"{name} {seed}")
    return World(rng.randrange(2**40), draw_calendar(rng, days), draw_shop(rng))


def _life(world: World, events: int, planted: list[Planted]) -> Iterator[ShopEvent]:
    return chain(world.life(events), *(chain(one.past, one.events) for one in planted))


def nothing(seed: int, events: int, days: int = 14) -> Stream:
    """Normal life."""
    world = _world("nothing", seed, days)
    return assemble(world, "nothing", seed, world.life(events), [], [])


def individuals(seed: int, events: int, days: int = 7, each: int = 12) -> Stream:
    """Normal life with so many planted users of each kind."""
    world = _world("individuals", seed, days)
    planted = plant(world, dict.fromkeys(PLANTERS, each))
    return assemble(world, "individuals", seed, _life(world, events, planted), planted, [])


def incident(kind: str, seed: int, events: int, days: int = 3) -> Stream:
    """Normal life with one incident on its last day."""
    world = _world(kind, seed, days)
    what, change = INCIDENTS[kind](world, days - 1)
    return assemble(world, kind, seed, change(world.life(events)), [], [what])


def days_apart(seed: int, events: int, days: int = 14) -> Stream:
    """Two weeks with a sale day, a public holiday, and two weekends."""
    world = _world("days_apart", seed, days)
    rng, calendar = world.rng, world.calendar
    workdays = [day for day in range(5, days) if calendar.weekday(day) < 5]
    sale, holiday = rng.sample(workdays, 2)
    calendar = with_holiday(with_sale(calendar, sale, 3.0, rng.uniform(1.3, 2.0)), holiday, rng.uniform(0.6, 1.3))
    world.calendar = calendar
    weekends = [
        day for day in range(5, days - 1) if calendar.weekday(day) == 5 and not {day, day + 1} & {sale, holiday}
    ]
    apart = [
        _whole_days("sale_day", calendar, sale, 1),
        _whole_days("holiday", calendar, holiday, 1),
        *(_whole_days("weekend", calendar, day, 2) for day in weekends),
    ]
    return assemble(world, "days_apart", seed, world.life(events), [], apart)


def equal_weeks(seed: int, events: int, weeks: int = 6) -> Stream:
    """Office users who come on working days, and Saturday shoppers; every week is as the others."""
    world = _world("equal_weeks", seed, 7 * weeks)
    flat = (1.0,) * world.calendar.days
    world.calendar = replace(world.calendar, busy=flat)
    office_visit, saturday_visit = 6.0, 12.0
    pairs = max(20, round(events / weeks / (5 * 1.4 * office_visit + 2 * saturday_visit)))
    crowd = [_office(world) for _ in range(pairs)], [_saturday(world) for _ in range(2 * pairs)]
    return assemble(world, "equal_weeks", seed, _weeks(world, *crowd), [], [])


def changed_habits(seed: int, events: int, days: int = 42, each: int = 12) -> Stream:
    """Six weeks; in the second half so many regulars come more often, and so many less often, each from a day on."""
    world = _world("changed_habits", seed, days)
    planted = plant(world, dict.fromkeys(CHANGES, each))
    return assemble(world, "changed_habits", seed, _life(world, events, planted), planted, [])


def everything(seed: int, events: int, days: int = 5, each: int = 6) -> Stream:
    """All planted users, and one incident of each kind on days of their own."""
    world = _world("everything", seed, days)
    planted = plant(world, dict.fromkeys(PLANTERS, each))
    happenings = _life(world, events, planted)
    incidents: list[Incident] = []
    kinds = list(INCIDENTS)
    for number, kind in enumerate(kinds):
        day = max(1, days - len(kinds) + number)
        what, change = INCIDENTS[kind](world, day)
        incidents.append(what)
        happenings = change(happenings)
    return assemble(world, "everything", seed, happenings, planted, incidents)


def _whole_days(kind: str, calendar: Calendar, day: int, days: int) -> Incident:
    begin = calendar.start_ms + day * DAY_MS
    return Incident(kind, begin, begin + days * DAY_MS)


def _office(world: World) -> Person:
    person = world.person()
    person.hours, person.bounces, person.devices = _WORKDAY, 0.1, 1
    return person


def _saturday(world: World) -> Person:
    person = world.person()
    person.hours, person.bounces, person.devices = _SATURDAY, 0.0, 1
    return person


def _weeks(world: World, office: list[Person], saturday: list[Person]) -> Iterator[ShopEvent]:
    rng = world.rng
    for day in range(world.calendar.days):
        weekday = world.calendar.weekday(day)
        if weekday < 5:
            for person in office:
                for _ in range(0 if rng.random() < 0.06 else 1 + (rng.random() < 0.5)):
                    yield from _even_visit(world, person, day, (3, 9))
        elif weekday == 5:
            for person in saturday:
                if rng.random() < 0.93:
                    yield from _even_visit(world, person, day, (7, 17))


def _even_visit(world: World, person: Person, day: int, pages: tuple[int, int]) -> Iterator[ShopEvent]:
    visit = Visit(world.shop, person, world.rng, world.start_of_visit(person, day))
    yield from visit.shop_around(world.rng.randint(*pages))
    if world.rng.random() < 0.15:
        yield from visit.buy([visit.product()])


Maker = Callable[[], Stream]


def day_of(calendar: Calendar, time_ms: int) -> int:
    """Day of a stream that a time belongs to."""
    return (time_ms - calendar.start_ms) // DAY_MS


def minutes_after(since_ms: float, time_ms: float) -> float:
    """How much later one time is than another."""
    return (time_ms - since_ms) / MINUTE_MS
