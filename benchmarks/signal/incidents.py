"""What happens to everybody at once: a slow checkout, tracking that breaks. Each changes the events of an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from benchmarks.signal.people import World
from benchmarks.signal.shop import DAY_MS, HOUR_MS, MINUTE_MS, ShopEvent, lognormal


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that concerns everybody from a time until another, Unix milliseconds; `what` says what exactly."""

    kind: str
    from_ms: int
    until_ms: int
    what: str = ""


Change = Callable[[Iterable[ShopEvent]], Iterator[ShopEvent]]


def _busy_time(world: World, day: int, hours: tuple[float, float] = (10.5, 19.0)) -> int:
    """A time of a day at which the shop's own people are awake."""
    local_ms = world.calendar.start_ms + day * DAY_MS + round(world.rng.uniform(*hours) * HOUR_MS)
    offset_h = {"Europe/Berlin": 1, "Europe/Zurich": 1, "Europe/London": 0, "America/New_York": -5}[
        world.shop.owner_partition
    ]
    return local_ms - offset_h * HOUR_MS


def slow_checkout(world: World, day: int) -> tuple[Incident, Change]:
    """The payment provider is slow for three quarters of an hour: nearly every checkout takes many seconds."""
    rng, begin = Random(world.rng.random()), _busy_time(world, day)
    incident = Incident("slow_checkout", begin, begin + 45 * MINUTE_MS)
    slow_ms, share = rng.uniform(5_000.0, 9_000.0), rng.uniform(0.85, 1.0)

    def change(events: Iterable[ShopEvent]) -> Iterator[ShopEvent]:
        for event in events:
            if event.event_type == "checkout" and _within(incident, event) and rng.random() < share:
                event.properties["latency_ms"] = round(lognormal(rng, slow_ms, 0.25))
            yield event

    return incident, change


def purchases_lost(world: World, day: int) -> tuple[Incident, Change]:
    """The page after the order has lost its tag: for three hours purchases happen and nobody hears of them."""
    begin = _busy_time(world, day, (10.0, 17.0))
    incident = Incident("purchases_lost", begin, begin + 3 * HOUR_MS, "purchase")

    def change(events: Iterable[ShopEvent]) -> Iterator[ShopEvent]:
        return (event for event in events if event.event_type != "purchase" or not _within(incident, event))

    return incident, change


def property_lost(world: World, day: int) -> tuple[Incident, Change]:
    """A release forgets a property of an event type; it is noticed six hours later."""
    rng, begin = world.rng, _busy_time(world, day, (9.0, 16.0))
    event_type, name = rng.choice(
        (("view", "price"), ("view", "category"), ("cart", "price"), ("checkout", "latency_ms"))
    )
    incident = Incident("property_lost", begin, begin + 6 * HOUR_MS, f"{event_type}.{name}")

    def change(events: Iterable[ShopEvent]) -> Iterator[ShopEvent]:
        for event in events:
            if event.event_type == event_type and _within(incident, event):
                event.properties = {key: value for key, value in event.properties.items() if key != name}
            yield event

    return incident, change


def doubled_type(world: World, day: int) -> tuple[Incident, Change]:
    """The tag is on the page twice: every event of a type is sent twice, for six hours."""
    rng, begin = Random(world.rng.random()), _busy_time(world, day, (9.0, 16.0))
    event_type = rng.choice(("view", "page_view", "cart", "purchase"))
    incident = Incident("doubled_type", begin, begin + 6 * HOUR_MS, event_type)

    def change(events: Iterable[ShopEvent]) -> Iterator[ShopEvent]:
        for event in events:
            yield event
            if event.event_type == event_type and _within(incident, event):
                properties: dict[str, Any] = event.properties.copy()
                time_ms = event.time_ms + rng.randint(0, 250)
                yield ShopEvent(time_ms, event.user_id, event.session_id, event_type, properties, event.context)

    return incident, change


def _within(incident: Incident, event: ShopEvent) -> bool:
    return incident.from_ms <= event.time_ms < incident.until_ms


INCIDENTS: Final = {maker.__name__: maker for maker in (slow_checkout, purchases_lost, property_lost, doubled_type)}
