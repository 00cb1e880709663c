"""The demo's story: the ordinary hours of a shop, then five incidents at known seconds.

Nothing here knows a pack's thresholds: the incidents are as large as such things are, and a pack has to find them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

from ubi_stream.synthetic.catalogue import make_catalogue
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.personas import bouncer, browser, engaged_shopper, events_of, power_user, session
from ubi_stream.synthetic.population import TrafficOptions
from ubi_stream.synthetic.sessions import NIGHT as TWO_AT_NIGHT
from ubi_stream.synthetic.visit import Visit

Event = dict[str, Any]

HISTORY_MS: Final = 20 * 60_000
"""How far before the story the shop's ordinary traffic begins."""
_FILLS_MS: Final = 8 * 60_000
_SLOW_CHECKOUTS: Final = 48
_NIGHT_VISITORS: Final = 100
_DAY_MS: Final = 86_400_000
_REGULARS: Final = 80
_DAYS_BEFORE: Final = 10


class Scene(NamedTuple):
    """One incident: when it begins, in seconds of the story, and what is done to the stream."""

    at_s: int
    title: str


BOT: Final = Scene(30, "a bot reads five pages a second")
HURRY: Final = Scene(45, "a shopper puts things into the cart without looking at them")
SLOW_CHECKOUT: Final = Scene(75, "the checkout becomes slow for everybody")
NIGHT: Final = Scene(105, f"{_NIGHT_VISITORS} shoppers come at two in the morning of their clocks")
BROKEN_TRACKING: Final = Scene(135, "the shop's pages stop sending the category of what is looked at")
SCENES: Final = (BOT, HURRY, SLOW_CHECKOUT, NIGHT, BROKEN_TRACKING)
_BROKEN_FOR_S: Final = 600


class Story:
    """A stream that is ordinary until the story begins.

    Parameters
    ----------
    now_ms
        Time up to which there is history when it is made; the stream goes on from there without end.
    users, rate, seed
        Of the ordinary traffic: see `TrafficOptions`.
    """

    def __init__(self, *, users: int, rate: float, now_ms: int, seed: int) -> None:
        self._seed = seed
        self._since_ms = now_ms - HISTORY_MS
        options = TrafficOptions(users=users, rate=rate, start_ms=self._since_ms, seed=seed, ordinary=True)
        self._traffic = Traffic(options)
        self._ordinary = self._traffic.events()
        self._next: Event | None = None
        self._rng = Random(f"entrance {seed}")
        self._visits: dict[str, bool] = {}

    def regulars(self) -> Iterator[Event]:
        """Visits of some users on the ten days before, in time order: who comes again is known."""
        rng, catalogue = Random(f"regulars {self._seed}"), make_catalogue(Random("catalogue"))
        visits: list[Event] = []
        for number in range(_REGULARS):
            user, hour_ms = f"regular-{number}", rng.randrange(9, 19) * 3_600_000
            for day in range(_DAYS_BEFORE, 0, -1):
                if rng.random() < 0.6:
                    start_ms = (self._since_ms // _DAY_MS - day) * _DAY_MS + hour_ms + rng.randrange(3_600_000)
                    script = rng.choice((browser, browser, bouncer, engaged_shopper, power_user))
                    steps = script(Visit(rng, catalogue, 0))
                    visits += events_of(steps, user, f"{user}-{day}", start_ms, {"utc_offset_min": 0})
        return iter(sorted(visits, key=_time_of))

    def ordinary_until(self, time_ms: int) -> Iterator[Event]:
        """The ordinary traffic up to a time; the next call goes on from there."""
        while True:
            event = self._next or next(self._ordinary)
            self._next = None
            if event["event_time"] >= time_ms:
                self._next = event
                return
            if self._is_open(event):
                yield event

    def _is_open(self, event: Event) -> bool:
        """Whether the shop lets the event's visit in: it fills slowly, or at first all would be at the entrance."""
        visit, since_open_ms = event["session_id"], event["event_time"] - self._since_ms
        if since_open_ms > 2 * _FILLS_MS:
            return True  # what began while it filled is over
        if visit not in self._visits:
            self._visits[visit] = self._rng.random() * _FILLS_MS < since_open_ms
        return self._visits[visit]

    def events(self, start_ms: int) -> Iterator[Event]:
        """The story from its start: ordinary traffic, and the incidents; without end, in time order."""
        scenes = (_bot(start_ms), _hurry(start_ms), self._slow_checkouts(start_ms), _night(start_ms))
        ordinary = self.ordinary_until(2**62)
        broken_from_ms = start_ms + BROKEN_TRACKING.at_s * 1000
        for event in heapq.merge(ordinary, *scenes, key=_time_of):
            if event["event_type"] == "view" and 0 <= event["event_time"] - broken_from_ms < _BROKEN_FOR_S * 1000:
                event["properties"].pop("category", None)
            yield event

    def _slow_checkouts(self, start_ms: int) -> Iterator[Event]:
        """Shoppers whose visits come to the checkout within a minute, from when it is slow."""
        rng = Random(f"checkouts {self._seed}")
        visit = Visit(rng, make_catalogue(Random("catalogue")), 0)
        events: list[Event] = []
        for number in range(_SLOW_CHECKOUTS):
            user, product = f"shopper-{number}", visit.product()
            checkout_ms = start_ms + SLOW_CHECKOUT.at_s * 1000 + number * 1250
            latency_ms = round(visit.within_ms(4.0, 9.0))
            steps = [
                (-80_000, *visit.page()[1:]),
                (-65_000, *visit.search()[1:]),
                (-55_000, "view", product),
                (-30_000, "view", visit.product()),
                (-18_000, "cart", product.copy()),
                (0, "checkout", {"latency_ms": latency_ms, "price": product["price"]}),
            ]
            if visit.chance(0.5):
                steps.insert(0, (-85_000, "login", {}))
            if visit.chance(0.4):
                steps.append((25_000, "purchase", product.copy()))
            shift_ms = round(visit.within_ms(0.0, 6.0))
            events += [
                _event(user, step, checkout_ms + after_ms + shift_ms, event_type, properties)
                for step, (after_ms, event_type, properties) in enumerate(steps)
            ]
        return iter(sorted(events, key=_time_of))


def _bot(start_ms: int) -> Iterator[Event]:
    return iter(session("bot", "visitor-4711", f"visitor-4711-{start_ms}", start_ms + BOT.at_s * 1000))


def _hurry(start_ms: int) -> Iterator[Event]:
    return iter(session("impulsive", "shopper-in-a-hurry", f"hurry-{start_ms}", start_ms + HURRY.at_s * 1000))


def _night(start_ms: int) -> Iterator[Event]:
    """Visits that begin one after another within twenty seconds, where it is two in the morning."""
    rng, catalogue = Random("night"), make_catalogue(Random("catalogue"))
    events: list[Event] = []
    for number in range(_NIGHT_VISITORS):
        user, begins_ms = f"night-{number}", start_ms + NIGHT.at_s * 1000 + number * 200
        context = {"utc_offset_min": TWO_AT_NIGHT.offset_min(begins_ms)}
        events += events_of(browser(Visit(rng, catalogue, 0)), user, f"{user}-{start_ms}", begins_ms, context)
    return iter(sorted(events, key=_time_of))


def _time_of(event: Event) -> int:
    time_ms: int = event["event_time"]
    return time_ms


def _event(user: str, step: int, time_ms: int, event_type: str, properties: dict[str, Any]) -> Event:
    return {
        "event_id": f"{user}/{time_ms}/{step}",
        "event_time": time_ms,
        "event_type": event_type,
        "user_id": user,
        "session_id": f"{user}-{time_ms // _DAY_MS}",
        "properties": properties,
        "context": {"utc_offset_min": 0},
    }
