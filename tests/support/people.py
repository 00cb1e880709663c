"""A stream of users who come without a name first: commands merge their ids, and split them again."""

from __future__ import annotations

from random import Random

from support.streams import Stream
from ubi_stream.events.identity import identity_event

Content = tuple[bytes | None, bytes | None, int]


class PeopleStream(Stream):
    """The trouble of a real topic under the right keys, of users and of anonymous ids, and commands about them.

    Among these are ids that nobody has seen, repetitions, a second user of one id, and circles.
    """

    def __init__(self, seed: int, *, users: int = 3, anonymous: int = 6, erasures: float = 0.0) -> None:
        super().__init__(seed, users=users, erasures=erasures)
        self._identities = Random(f"identities {seed}")
        self._named = list(self._users)
        self._anonymous = [f"anon-{number}" for number in range(anonymous)]
        self._users += self._anonymous

    def contents(self, count: int) -> list[Content]:
        """So many records, commands among them."""
        draw, made = self._identities, list[Content]()
        for content in super().contents(count):
            made.append(content)
            if draw.random() < 0.12:
                made.append(self._command(content[2]))
        return made[:count]

    def _key(self, user: str) -> bytes | None:
        return user.encode()

    def _command(self, now_ms: int) -> Content:
        draw = self._identities
        kind = draw.choices(["$identify", "$alias", "$split"], [5, 2, 3])[0]
        old = draw.choice(self._anonymous if draw.random() < 0.6 else [*self._named, "never-seen"])
        user = draw.choice([name for name in self._named if name != old])
        event_id = f"{kind}/{draw.getrandbits(64)}"
        value = identity_event(kind, event_id, now_ms - draw.choice([0, 0, 90_000]), user, old)
        return old.encode(), value, now_ms
