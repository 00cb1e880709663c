"""Several partitions of users, and what they hand over to each other."""

from __future__ import annotations

from typing import Any

from support.folding import Runner
from support.probe import EVENTS_TOPIC, START_MS, event
from ubi_stream.effects import Effects
from ubi_stream.events.identity import identity_event
from ubi_stream.events.model import Record
from ubi_stream.ids import short_hash
from ubi_stream.packs.schema import Pack
from ubi_stream.state.model import UserState

BY_USER = f"{EVENTS_TOPIC}.by-user"


def at_s(seconds: float, user: str, **fields: Any) -> dict[str, Any]:
    """An event so many seconds after the start, with an id of its own."""
    return event(user, START_MS + round(seconds * 1000), **{"event_id": f"{user}@{seconds}", **fields})


class Partitions:
    """Takes events in order; `effects` are those of all of them so far."""

    def __init__(self, partitions: int = 2, pack: Pack | None = None) -> None:
        self.runners = [Runner(pack, number=number) for number in range(partitions)]
        self.effects: list[Effects] = []
        self._by_user = [0] * partitions

    def of(self, user: str) -> Runner:
        return self.runners[self.number_of(user)]

    def number_of(self, user: str) -> int:
        return short_hash(user) % len(self.runners)

    def send(self, *contents: dict[str, Any], drain: bool = True) -> None:
        """Events under their users' ids."""
        for content in contents:
            user = content["user_id"]
            self.effects.append(self.of(user).run(content, partition=self.number_of(user)))
        if drain:
            self.drain()

    def say(self, kind: str, seconds: float, user: str, other: str, *, drain: bool = True) -> None:
        """An identity command, under the id that goes."""
        at_ms = START_MS + round(seconds * 1000)
        value = identity_event(kind, f"{kind}/{other}/{user}/{seconds}", at_ms, user, other)
        number = self.number_of(other)
        self.effects.append(self.of(other).run(value, key=other.encode(), timestamp_ms=at_ms, partition=number))
        if drain:
            self.drain()

    def drain(self) -> None:
        """Barriers everywhere, until nothing is on its way."""
        for _ in range(20):
            if not self.step():
                return
        raise AssertionError("records go round and round")

    def step(self) -> int:
        """A barrier of each partition, and delivery of what they hand over."""
        sent = 0
        for runner in self.runners:
            runner.partition.take_checkpoint()
            for one in runner.partition.to_send:
                number = self.number_of(one.key.decode())
                at_ms = int(dict(one.headers)["ubi-source-time"])
                forwarded = Record(BY_USER, number, self._by_user[number], at_ms, one.key, one.value, one.all_headers())
                self._by_user[number] += 1
                self.effects.append(self.runners[number].run_records([forwarded]))
                sent += 1
        return sent

    def state(self, user: str) -> UserState | None:
        return self.of(user).state(user)

    def known(self, user: str) -> UserState:
        state = self.state(user)
        assert state is not None, f"nothing is known of {user}"
        return state
