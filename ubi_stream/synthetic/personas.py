"""Kinds of visitors, each a short script of what one visit looks like.

A script yields steps: the pause before it in milliseconds, the event type, the properties. Scripts draw everything
from the visit's random source, so the same seed gives the same visit. What a stream of users is made of varies as
people do; `session` makes one visit that is sure to be what its persona is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

from ubi_stream.errors import ConfigError
from ubi_stream.synthetic.catalogue import make_catalogue
from ubi_stream.synthetic.sessions import NIGHT, SESSIONS
from ubi_stream.synthetic.visit import Step, Visit

# An at-risk customer's checkout starts at this latency and gets slower by a third at every visit, up to 15 s.
_FIRST_LATENCY_MS, _LATENCY_GROWTH, _MOST_LATENCY_MS = 900.0, 1.33, 15_000.0
_USUAL_LATENCY_MS = 650.0


def bouncer(visit: Visit) -> Iterator[Step]:
    """Lands on a page and leaves."""
    yield visit.page() if visit.chance(0.6) else visit.view()


def browser(visit: Visit) -> Iterator[Step]:
    """Looks around and never fills a cart."""
    yield visit.page()
    for _ in range(visit.between(3, 14)):
        yield visit.search() if visit.chance(0.15) else visit.view()


def engaged_shopper(visit: Visit) -> Iterator[Step]:
    """Searches, compares, often fills a cart and buys in every third visit or so."""
    yield visit.page()
    yield visit.search()
    for _ in range(visit.between(4, 14)):
        yield visit.view()
    if visit.chance(0.6):
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.6)


def power_user(visit: Visit) -> Iterator[Step]:
    """Logs in, knows the shop, looks at a lot and buys more than once."""
    yield visit.pause_ms(3.0), "login", {}
    for _ in range(visit.between(1, 3)):
        yield visit.search(6.0)
        for _ in range(visit.between(4, 10)):
            yield visit.view(7.0)
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.85)


def at_risk(visit: Visit) -> Iterator[Step]:
    """Was a good customer; each visit is longer and more tired, the checkout slower, and a purchase less likely."""
    tired = min(visit.before, 12)
    latency_ms = min(_FIRST_LATENCY_MS * _LATENCY_GROWTH**visit.before, _MOST_LATENCY_MS)
    yield visit.page()
    for turn in range(visit.between(5, 8) + tired):
        yield visit.view(10.0 * (1.0 + 0.06 * tired * turn / 4))
        if visit.chance(0.1):
            yield visit.search()
    yield from visit.buy(latency_ms, pays=max(0.6 - 0.06 * tired, 0.05))
    if visit.chance(0.05 * tired):
        yield visit.pause_ms(30.0), "support", {"topic": "checkout"}


def night_owl(visit: Visit) -> Iterator[Step]:
    """Comes at night, in a hurry, and removes half of what went into the cart."""
    yield visit.page(3.0)
    for _ in range(visit.between(5, 12)):
        yield visit.view(4.0)
    product = visit.product()
    yield visit.pause_ms(4.0), "cart", product
    if visit.chance(0.5):
        yield visit.pause_ms(4.0), "remove_from_cart", product.copy()
    else:
        yield from visit.buy(_USUAL_LATENCY_MS, pays=0.7)


def bot(visit: Visit) -> Iterator[Step]:
    """Reads product after product at machine pace: 300 to 400 views a minute."""
    for _ in range(visit.between(250, 450)):
        yield 130.0 + visit.pause_ms(0.04), "view", visit.product()


class Persona(NamedTuple):
    """A kind of visitor.

    Attributes
    ----------
    name
        What the generator's report and the tests call it; it never appears in an event.
    users
        Share of all users, 0 to 1.
    visits
        Visits of one such user compared with a bouncer's; unused for the night owls and bots, who come on their own
        schedule.
    script
        One visit.
    """

    name: str
    users: float
    visits: float
    script: Callable[[Visit], Iterator[Step]]


NIGHT_OWL = Persona("night_owl", 0.05, 0.0, night_owl)
BOT = Persona("bot", 0.001, 0.0, bot)
AT_RISK = Persona("at_risk", 0.099, 2.0, at_risk)
DAILY = (
    Persona("browser", 0.37, 1.5, browser),
    Persona("bouncer", 0.25, 1.0, bouncer),
    Persona("engaged_shopper", 0.18, 2.0, engaged_shopper),
    AT_RISK,
    Persona("power_user", 0.05, 4.0, power_user),
)
PERSONAS = (*DAILY, NIGHT_OWL, BOT)


def session(name: str, user_id: str, session_id: str, base_time: datetime | int) -> list[dict[str, Any]]:
    """Return the events of one visit that is sure to be what its persona is for, as a producer writes them.

    The same persona, user and session id give the same visit at any time.

    Parameters
    ----------
    name
        One of `SESSIONS`: a class of visit (`bouncer`, `browser`, `engaged_shopper`, `power_user`), or what a rule
        looks for (`impulsive`, `erratic_spender`, `tired`, `night_owl`, `bot`).
    base_time
        Time of the first event: Unix milliseconds, or a datetime, in UTC where it names no zone. For a night owl it is
        two in the morning then, wherever that is.

    Raises
    ------
    ConfigError
        There is no such persona.

    Examples
    --------
    >>> visit = session("bouncer", "u1", "s1", 1_569_888_000_000)
    >>> visit[0]["event_time"], visit[0]["session_id"]
    (1569888000000, 's1')
    """
    script = SESSIONS.get(name)
    if script is None:
        raise ConfigError(f"persona {name!r}: expected one of {', '.join(SESSIONS)}")
    start_ms = base_time if isinstance(base_time, int) else _milliseconds(base_time)
    visit = Visit(Random(f"{name} {user_id} {session_id}"), make_catalogue(Random("catalogue")), 0)
    context = {"utc_offset_min": NIGHT.offset_min(start_ms) if name == NIGHT_OWL.name else 0}
    return events_of(script(visit), user_id, session_id, start_ms, context)


def events_of(
    steps: Iterator[Step], user_id: str, session_id: str, start_ms: int, context: dict[str, int]
) -> list[dict[str, Any]]:
    """A visit's steps as events: the first one at `start_ms`, the others after their pauses."""
    time_ms, events = float(start_ms), []
    for number, (pause_ms, event_type, properties) in enumerate(steps):
        time_ms += pause_ms if number else 0.0
        events.append(
            {
                "event_id": f"{user_id}/{session_id}/{start_ms}/{number}",
                "event_time": int(time_ms),
                "event_type": event_type,
                "user_id": user_id,
                "session_id": session_id,
                "properties": properties,
                "context": context,
            }
        )
    return events


def _milliseconds(at: datetime) -> int:
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
