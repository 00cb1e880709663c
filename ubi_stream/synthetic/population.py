"""Who visits the invented shop, and how often, so that events add up to the rate that was asked for."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from random import Random
from typing import Any

import msgspec

from ubi_stream.errors import ConfigError
from ubi_stream.synthetic.personas import AT_RISK, BOT, DAILY, NIGHT_OWL, PERSONAS, Persona
from ubi_stream.synthetic.visit import Visit

MIN_USERS = 20  # fewer would leave personas without anybody

# Night owls come in bursts of two minutes, every ten minutes of their night, the first a minute after the start.
BURST_EVERY_MS, BURST_FROM_MS, BURST_TO_MS = 600_000, 60_000, 180_000
_BURST_DUTY = (BURST_TO_MS - BURST_FROM_MS) / BURST_EVERY_MS

# Shares of all events. Bots get less where there are too few of them to make that many.
_NIGHT_SHARE, _BOT_SHARE = 0.05, 0.06
_BOT_EVENTS_PER_S = 3.5  # of one bot on average: it is busy two thirds of the time at most
# At most this share of a persona's users is in a session at once; where that isn't enough for the rate, pauses shrink.
_MOST_BUSY = 0.5
_SAMPLE_VISITS = 160  # visits that are played in advance to learn how many events a persona's visit has


class TrafficOptions(msgspec.Struct, frozen=True):
    """What stream to invent.

    Attributes
    ----------
    users
        How many there are, at least 20.
    rate
        Events a second on average, over 0.
    start_ms
        Time of the first events, Unix milliseconds.
    seed
        Another seed, another stream.
    zipf
        Exponent of how unequally visits are spread over the users of a persona; 0 is evenly, 1 is typical of the web.
    ordinary
        Leave out bots, bursts at night and customers whose checkout gets slower, and let it be day where the users are.
    """

    users: int = 1_000
    rate: float = 50.0
    start_ms: int = 0
    seed: int = 7
    zipf: float = 0.0
    ordinary: bool = False

    def check(self) -> None:
        """Raise `ConfigError` for a value out of range."""
        if self.users < MIN_USERS:
            raise ConfigError(f"users = {self.users}: expected at least {MIN_USERS}")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"rate = {self.rate}: expected events a second, over 0")
        if not 0 <= self.zipf <= 5:
            raise ConfigError(f"zipf = {self.zipf}: expected 0 to 5")


class PersonaGroup:
    """The users of one persona, and how often they come.

    Attributes
    ----------
    users
        Numbers of the users, the most active first.
    visits_per_s
        Visits of the whole group; of night owls, within a burst.
    events, seconds
        Of one visit, on average, at natural pauses.
    pause_scale
        Factor for pauses, at most 1: less than 1 where so few users can't make so many events otherwise.
    """

    def __init__(self, persona: Persona, users: array[int], zipf: float) -> None:
        self.persona = persona
        self.users = users
        self.visits_per_s = 0.0
        self.events = self.seconds = 0.0
        self.pause_scale = 1.0
        self._reach = list(accumulate((rank + 1) ** -zipf for rank in range(len(users)))) if zipf else None

    def pick(self, draw: float) -> int:
        """Position of a user in `users`, for a draw in [0, 1)."""
        if self._reach is None:
            return int(draw * len(self.users))
        return min(bisect_left(self._reach, draw * self._reach[-1]), len(self.users) - 1)

    def study(self, catalogue: list[dict[str, Any]], rng: Random) -> None:
        """Learn the length of a visit by playing some."""
        events, pauses_ms = 0, 0.0
        for before in range(_SAMPLE_VISITS):
            for pause_ms, _, _ in self.persona.script(Visit(rng, catalogue, before % 16)):
                events += 1
                pauses_ms += pause_ms
        self.events, self.seconds = events / _SAMPLE_VISITS, pauses_ms / 1000 / _SAMPLE_VISITS


def populate(options: TrafficOptions, rng: Random) -> list[PersonaGroup]:
    """Share the users out among the personas, at least one each, in an order that tells nothing."""
    numbers = list(range(options.users))
    rng.shuffle(numbers)
    groups, taken = [], 0
    left_out = (AT_RISK, NIGHT_OWL, BOT) if options.ordinary else ()
    for persona in reversed(PERSONAS):  # the first persona takes all who are left
        if persona in left_out:
            continue
        size = max(1, round(persona.users * options.users)) if persona is not PERSONAS[0] else options.users - taken
        groups.append(PersonaGroup(persona, array("I", numbers[taken : taken + size]), options.zipf))
        taken += size
    return groups[::-1]


def share_out(groups: list[PersonaGroup], rate: float) -> None:
    """Set how often each group comes, so that events add up to `rate` a second, and how fast it must be for that."""
    left = rate
    for group in groups:
        if group.persona is BOT:
            bot_rate = min(_BOT_SHARE * rate, _BOT_EVENTS_PER_S * len(group.users))
            group.visits_per_s = bot_rate / group.events
            left -= bot_rate
        elif group.persona is NIGHT_OWL:
            group.visits_per_s = _NIGHT_SHARE * rate / group.events / _BURST_DUTY
            left -= _NIGHT_SHARE * rate
    people = [group for group in groups if group.persona in DAILY]
    weights = [len(group.users) * group.persona.visits for group in people]
    per_weight = sum(weight * group.events for weight, group in zip(weights, people, strict=True))
    for weight, group in zip(weights, people, strict=True):
        group.visits_per_s = weight * left / per_weight
    for group in groups:
        if group.persona is not BOT:
            group.pause_scale = min(1.0, _MOST_BUSY * len(group.users) / (group.visits_per_s * group.seconds))
