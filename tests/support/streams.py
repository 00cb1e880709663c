"""The trouble of a real topic, for the probe pack."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import msgspec

from support.probe import DAY_MS, MINUTE_MS, START_MS, event


class Stream:
    """Generates the trouble of a real topic: visits, pauses, late events, duplicates, garbage, wrong keys, labels of
    payments and of people; and, where asked for, erasures, so many of a record.
    """

    def __init__(self, seed: int, *, users: int = 8, days: float = 5.0, erasures: float = 0.0) -> None:
        self._random = Random(seed)
        self._people = Random(f"said {seed}")  # of their own: what users do stays the same
        self._erasing = Random(f"erased {seed}")
        self._erasures = erasures
        self._users = [f"user-{number}" for number in range(users)]
        self._span_ms = int(days * DAY_MS)
        self._number = 0

    def contents(self, count: int) -> list[tuple[bytes | None, bytes | None, int]]:
        """So many records as (key, value, arrival in ms), in the order of arrival."""
        draw = self._random
        now_ms = START_MS
        made: list[tuple[bytes | None, bytes | None, int]] = []
        user = self._users[0]
        orders: list[tuple[str, str, str]] = []
        while len(made) < count:
            if draw.random() < 0.25:
                user = draw.choice(self._users)
                now_ms += int(draw.expovariate(1.0) * self._span_ms * 4 / count)
            now_ms += int(draw.expovariate(1.0) * MINUTE_MS)
            roll = draw.random()
            if roll < 0.04:
                garbage = draw.choice([None, b"{", b"[]", b"\xff\xfe", b'{"event_type": "view"}', b'{"event_type": 7}'])
                made.append((b"k", garbage, now_ms))
            elif roll < 0.08 and made:
                key, value, _ = draw.choice(made[-20:])
                made.append((key, value, now_ms))
            elif roll < 0.13 and orders:
                order = draw.choice(orders)
                label = self._event(order[0], now_ms, "$label", order_id=order[1], shop_id=order[2], bad=roll < 0.1)
                made.append((order[0].encode(), label, now_ms))
            else:
                made.append((self._key(user), self._behaviour(user, now_ms, orders), now_ms))
            if self._people.random() < 0.04:
                made.append((user.encode(), self._verdict(user, now_ms), now_ms))
            if self._erasing.random() < self._erasures:
                made.append(self._erasure(now_ms))
        return made[:count]

    def _key(self, user: str) -> bytes | None:
        roll = self._random.random()
        return None if roll < 0.03 else b"another" if roll < 0.08 else user.encode()

    def _behaviour(self, user: str, now_ms: int, orders: list[tuple[str, str, str]]) -> bytes:
        draw = self._random
        late_ms = int(draw.expovariate(1.0) * 20 * MINUTE_MS) if draw.random() < 0.15 else 0
        at_ms = now_ms - late_ms
        fields: dict[str, Any] = {}
        if draw.random() < 0.5:
            fields["session_id"] = f"{user}-{at_ms // (40 * MINUTE_MS)}"
        if draw.random() < 0.4:
            fields["latency_ms"] = round(draw.lognormvariate(6, 1.2), 1)
        if draw.random() < 0.3:
            fields["category"] = f"c{draw.randrange(25)}"
        kind = draw.choices(["view", "cart", "purchase"], [6, 2, 2])[0]
        if kind == "purchase":
            order, shop = f"o{self._number}", f"shop-{draw.randrange(3)}"
            orders.append((user, order, shop))
            fields |= {"price": round(draw.lognormvariate(2.5, 1.0), 2), "order_id": order, "shop_id": shop}
        return self._event(user, at_ms, kind, **fields)

    def _verdict(self, user: str, now_ms: int) -> bytes:
        """What a person says about the newest insight, or about one that there is not; days later, or just now."""
        draw = self._people
        predicted: dict[str, Any] = {
            "label": draw.choice(["confirmed", "false_positive"]),
            "weight": draw.choice([0.5, 1, 4]),
        }
        if draw.random() < 0.3:
            unknown = {"insight_id": str(UUID(int=draw.getrandbits(128)))}
            predicted |= draw.choice([unknown, {"label": "ignored"}, {"outcome": "buys_in_visit"}, {"weight": 11}])
        at_ms = now_ms + draw.choice([0, 4 * MINUTE_MS, -3 * DAY_MS])
        return msgspec.json.encode(event(user, at_ms, "$label", event_id=f"l{draw.getrandbits(64)}", **predicted))

    def _erasure(self, now_ms: int) -> tuple[bytes, bytes, int]:
        """Of a user, or of one that there is not, under the right key or another; now, or by a clock that is off."""
        draw = self._erasing
        user = draw.choice([*self._users, "nobody"])
        at_ms = now_ms + draw.choice([0, 0, -30 * MINUTE_MS, 4 * MINUTE_MS])
        command = event(user, at_ms, "$erase", event_id=f"erase-{draw.getrandbits(64)}")
        return draw.choice([user.encode()] * 4 + [b"another"]), msgspec.json.encode(command), now_ms

    def _event(self, user: str, at_ms: int, kind: str, **fields: Any) -> bytes:
        self._number += 1
        if self._random.random() < 0.8:  # the others get their id from their position
            fields["event_id"] = f"e{self._number}"
        return msgspec.json.encode(event(user, at_ms, kind, **fields))
