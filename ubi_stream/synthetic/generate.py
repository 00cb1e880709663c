"""An invented stream of users: seeded, in time order, endless, and fast enough for benchmarks.

The same options give the same events, ids included, anywhere. Sessions start as a Poisson process; each then follows
its persona's script, and a heap keeps the steps of all running sessions in time order.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, islice
from random import Random
from typing import Any

import msgspec

from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.synthetic.catalogue import make_catalogue
from ubi_stream.synthetic.personas import NIGHT_OWL
from ubi_stream.synthetic.population import (
    BURST_EVERY_MS,
    BURST_FROM_MS,
    BURST_TO_MS,
    PersonaGroup,
    TrafficOptions,
    populate,
    share_out,
)
from ubi_stream.synthetic.visit import Step, Visit

_NIGHT_STARTS_AT_MIN, _NIGHT_ENDS_MIN = 120, 300  # the owls' clock: 02:00 at the stream's start, whatever it is here
_DAY_MIN = 1440
_UTC_OFFSETS_MIN: tuple[int, ...] = (-300, 0, 60, 60, 120, 330, 480)
_NOON_MIN, _AWAKE_MIN = 720, 360  # awake is within six hours of noon
_TRIES = 8  # users that are asked instead of a busy one, before the visit is dropped


class Traffic:
    """The users of one stream, and what they do.

    Parameters
    ----------
    options
        What stream to invent.

    Raises
    ------
    ConfigError
        An option is out of range.

    >>> traffic = Traffic(TrafficOptions(users=50, rate=20.0, seed=1))
    >>> first = next(traffic.events())
    >>> sorted(first)
    ['context', 'event_id', 'event_time', 'event_type', 'properties', 'session_id', 'user_id']
    """

    def __init__(self, options: TrafficOptions) -> None:
        options.check()
        self.options = options
        rng = Random(f"population {options.seed}")
        self._catalogue = make_catalogue(rng)
        self._groups = populate(options, rng)
        for group in self._groups:
            group.study(self._catalogue, rng)
        share_out(self._groups, options.rate)

    def personas(self) -> dict[str, str]:
        """Name of each user's persona, for tests and reports; events don't carry it."""
        return {_user_id(user): group.persona.name for group in self._groups for user in group.users}

    def events(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The stream from its start: `limit` events, or without end.

        Each event is a dictionary of its own; only `context` is shared among a user's events. `event_time` is in
        Unix milliseconds and never goes back.
        """
        return islice(_Play(self.options, self._groups, self._catalogue).events(), limit)

    def records(self, limit: int | None = None) -> Iterator[ProducerRecord]:
        """The same, encoded and keyed."""
        for event in self.events(limit):
            yield record_of(event, event["event_time"])


class _PlannedSession:
    __slots__ = ("context", "event_type", "properties", "scale", "session_id", "steps", "user", "user_id")

    def __init__(self, user: int, number: int, context: dict[str, int], steps: Iterator[Step], scale: float) -> None:
        self.user = user
        self.user_id = _user_id(user)
        self.session_id = f"{self.user_id}-s{number}"
        self.context = context
        self.steps = steps
        self.scale = scale
        self.event_type = ""
        self.properties: dict[str, Any] = {}


class _Play:
    """One run of the stream from its start."""

    def __init__(self, options: TrafficOptions, groups: list[PersonaGroup], catalogue: list[dict[str, Any]]) -> None:
        self._start_ms = options.start_ms
        self._ordinary = options.ordinary  # then no visit is without its beginning
        self._groups = groups
        self._catalogue = catalogue
        self._rng = Random(f"play {options.seed}")
        self._reach = list(accumulate(group.visits_per_s for group in groups))
        self._contexts = _contexts(options, groups)
        self._visits: dict[int, int] = {}
        self._busy: set[int] = set()
        self._heap: list[tuple[float, int, _PlannedSession]] = []
        self._order = 0
        stream = repr(msgspec.structs.astuple(options)[: 6 if options.ordinary else 5])
        self._id_prefix = hashlib.blake2b(stream.encode(), digest_size=6).hexdigest()

    def events(self) -> Iterator[dict[str, Any]]:
        """Step by step: the next step of a running session, or the next visit, whichever comes first."""
        if not self._ordinary:
            self._begin_in_the_middle()
        heap, busy, prefix = self._heap, self._busy, self._id_prefix
        number = 0
        arrival_ms = self._start_ms + self._gap_ms()
        while True:
            if not heap or heap[0][0] > arrival_ms:
                self._arrive(arrival_ms)
                arrival_ms += self._gap_ms()
                continue
            time_ms, order, session = heap[0]
            yield {
                "event_id": f"{prefix}-{number:x}",
                "event_time": int(time_ms),
                "event_type": session.event_type,
                "user_id": session.user_id,
                "session_id": session.session_id,
                "properties": session.properties,
                "context": session.context,
            }
            number += 1
            step = next(session.steps, None)
            if step is None:
                heapq.heappop(heap)
                busy.discard(session.user)
            else:
                pause_ms, session.event_type, session.properties = step
                heapq.heapreplace(heap, (time_ms + pause_ms * session.scale, order, session))

    def _gap_ms(self) -> float:
        return -math.log(1.0 - self._rng.random()) / self._reach[-1] * 1000.0

    def _arrive(self, time_ms: float) -> None:
        """A visit begins, of a group drawn by how often it comes."""
        group = self._groups[bisect_left(self._reach, self._rng.random() * self._reach[-1])]
        if group.persona is NIGHT_OWL and not self._in_burst(time_ms):
            return
        self._visit(group, time_ms, skip=0)

    def _begin_in_the_middle(self) -> None:
        """Let the sessions that are usually running be under way at the start, so that the rate is there at once."""
        for group in self._groups:
            if group.persona is not NIGHT_OWL:
                running = group.visits_per_s * group.seconds * group.pause_scale
                for _ in range(int(running + self._rng.random())):
                    self._visit(group, self._start_ms, skip=int(self._rng.random() * group.events))

    def _visit(self, group: PersonaGroup, time_ms: float, skip: int) -> None:
        user = self._free_user(group)
        if user is None:
            return
        before = self._visits.get(user, 0)
        self._visits[user] = before + 1
        steps = group.persona.script(Visit(self._rng, self._catalogue, before))
        step = next(islice(steps, skip, None), None)
        if step is None:
            return
        session = _PlannedSession(user, before, self._contexts[user], steps, group.pause_scale)
        pause_ms, session.event_type, session.properties = step
        self._busy.add(user)
        self._order += 1
        heapq.heappush(self._heap, (time_ms + (pause_ms * session.scale if skip else 0), self._order, session))

    def _free_user(self, group: PersonaGroup) -> int | None:
        user = group.users[group.pick(self._rng.random())]
        for _ in range(_TRIES):
            if user not in self._busy:
                return user
            user = group.users[int(self._rng.random() * len(group.users))]
        return None

    def _in_burst(self, time_ms: float) -> bool:
        """Whether it is night where the owls are, and one of their bursts is on."""
        since_ms = time_ms - self._start_ms
        local_min = (_NIGHT_STARTS_AT_MIN + since_ms / 60_000) % _DAY_MIN
        return local_min < _NIGHT_ENDS_MIN and BURST_FROM_MS <= since_ms % BURST_EVERY_MS < BURST_TO_MS


def _contexts(options: TrafficOptions, groups: list[PersonaGroup]) -> list[dict[str, int]]:
    """Each user's context: where their clock is."""
    start_min = options.start_ms // 60_000 % _DAY_MIN
    places = _UTC_OFFSETS_MIN
    if options.ordinary:
        places = tuple(
            offset for offset in range(-600, 781, 60) if abs((start_min + offset) % _DAY_MIN - _NOON_MIN) <= _AWAKE_MIN
        )
    shared = {offset: {"utc_offset_min": offset} for offset in places}
    rng = Random(f"places {options.seed}")
    contexts = [shared[rng.choice(places)] for _ in range(options.users)]
    offset = (_NIGHT_STARTS_AT_MIN - start_min) % _DAY_MIN
    owls_context = {"utc_offset_min": offset if offset <= 840 else offset - _DAY_MIN}  # zones end at UTC+14:00
    for group in groups:
        if group.persona is NIGHT_OWL:
            for user in group.users:
                contexts[user] = owls_context
    return contexts


def _user_id(user: int) -> str:
    return f"u{user:06d}"
