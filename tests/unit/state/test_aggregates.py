"""What is kept for declared features: sketches of many values, visits that go on, changed declarations."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from support.declared import pack_with
from support.folding import fold_all
from support.probe import DAY_MS, MINUTE_MS, START_MS, event
from ubi_stream.features.declared import declared_values
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.state.aggregates import Aggregates
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.distinct import SLOTS, count_distinct, hash_of
from ubi_stream.state.model import Session, UserState


def plan_of(*kinds: dict[str, Any]) -> Plan:
    features = [DeclaredFeature.model_validate({"name": f"f{n}", **one}) for n, one in enumerate(kinds)]
    return compile_plan(pack_with(features), "user")


def values(plan: Plan, state: UserState) -> tuple[float, ...]:
    return declared_values(state, state.last_ms, plan)


BRANDS = plan_of({"kind": "distinct", "property": "brand", "window": "7d"})


@pytest.mark.parametrize("seed", range(3))
def test_a_sliding_sketch_is_that_of_the_windows_values_and_stays_small(seed: int) -> None:
    """
    day    0    1    2    3    4    5    6    7    8 ...
           |------------ 7 days -----------|
                |------------ 7 days -----------|
    """
    draw, state, seen = Random(seed), UserState(), list[tuple[int, str]]()
    for _ in range(3000):
        at_ms = START_MS + draw.randrange(20) * DAY_MS if draw.random() < 0.1 else state.last_ms + DAY_MS // 300
        at_ms = max(at_ms, START_MS)
        brand = f"b{draw.randrange(2500)}"
        seen.append((at_ms // DAY_MS, brand))
        fold_all(event(at_ms=at_ms, brand=brand), plan=BRANDS, state=state)
        newest = state.last_ms // DAY_MS
        if len(seen) % 50 == 0:
            inside = sorted({hash_of(name) for day, name in seen if day > newest - 7})[:SLOTS]
            assert values(BRANDS, state) == (count_distinct(inside),)
    assert state.aggregates is not None
    (sketch,) = state.aggregates.distinct.values()
    assert SLOTS <= len(sketch) <= 7 * SLOTS


def test_many_values_are_counted_within_the_error_of_the_sketch() -> None:
    state = fold_all(*(event(at_ms=START_MS + n, brand=f"b{n}") for n in range(1000)), plan=BRANDS)
    assert values(BRANDS, state)[0] == pytest.approx(1000, rel=0.4)  # three standard errors


VISIT = plan_of(
    {"kind": "count", "types": ["cart"], "window": "visit"},
    {"kind": "max", "property": "weight_kg", "window": "visit"},
)


def test_a_visit_that_goes_on_after_a_gap_counts_all_of_its_parts() -> None:
    parts = [
        event(at_ms=START_MS + at_ms, event_type="cart", session_id="a", weight_kg=weight)
        for at_ms, weight in ((0, 7), (MINUTE_MS, 2), (30 * MINUTE_MS, 1), (70 * MINUTE_MS, 3))
    ]
    state = fold_all(*parts, plan=VISIT)
    assert state.session.part == 2
    assert values(VISIT, state) == (4, 7)
    assert state.session.earlier is not None
    assert state.session.earlier.aggregates is None


def test_another_session_begins_anew_and_two_devices_are_apart() -> None:
    tablet, phone = (
        [event(at_ms=START_MS + n * MINUTE_MS, event_type="cart", session_id=name) for n in times]
        for name, times in (("tablet", (0, 2, 4)), ("phone", (1,)))
    )
    state = fold_all(tablet[0], phone[0], plan=VISIT)
    assert values(VISIT, state)[0] == 1
    fold_all(tablet[1], tablet[2], plan=VISIT, state=state)
    assert values(VISIT, state)[0] == 3


def test_a_late_event_of_an_earlier_visit_is_not_of_this_one() -> None:
    state = fold_all(
        event(at_ms=START_MS + DAY_MS, event_type="cart"), event(at_ms=START_MS, event_type="cart"), plan=VISIT
    )
    assert values(VISIT, state)[0] == 1


def test_a_changed_declaration_begins_anew_and_the_others_go_on() -> None:
    kept: dict[str, Any] = {"kind": "count", "types": ["cart"], "window": "24h"}
    before = plan_of(kept, {"kind": "count", "types": ["view"], "window": "24h"})
    after = plan_of(kept, {"kind": "count", "types": ["view", "purchase"], "window": "24h"})
    contents = [event(at_ms=START_MS + n, event_type=name) for n, name in enumerate(("cart", "view", "view"))]
    state = fold_all(*contents, plan=before)
    assert values(before, state) == (1, 2)
    fold_all(event(at_ms=START_MS + 9, event_type="purchase"), plan=after, state=state)
    assert values(after, state) == (1, 1)
    assert state.aggregates is not None
    assert len(state.aggregates) == 2


def test_a_pack_that_declares_nothing_keeps_nothing() -> None:
    state = fold_all(event(), plan=plan_of({"kind": "count", "types": ["view"], "window": "24h"}))
    fold_all(event(at_ms=START_MS + 1), state=state)
    assert state.aggregates is None


def test_a_state_of_before_declared_features_is_read() -> None:
    state = fold_all(event(session_id="a"), plan=VISIT)
    fields = [getattr(state, name) for name in UserState.__struct_fields__]
    position = UserState.__struct_fields__.index("aggregates")
    old_session = [getattr(state.session, name) for name in Session.__struct_fields__][
        : Session.__struct_fields__.index("aggregates")
    ]
    fields[UserState.__struct_fields__.index("session")] = old_session
    read = decode_state(_written(fields[:position]))[1]
    assert (read.events, read.session.id, read.aggregates, read.session.aggregates) == (1, "a", None, None)
    fold_all(event(at_ms=START_MS + 1, event_type="cart", session_id="a"), plan=VISIT, state=read)
    assert values(VISIT, read)[0] == 1


def _written(fields: list[Any]) -> bytes:
    """A state's record with these fields alone, as an older release wrote it."""
    import msgspec  # noqa: PLC0415 - of this helper alone

    from ubi_stream.state import codec  # noqa: PLC0415 - as above

    header = encode_state(UserState(events=1, last_ms=START_MS), epoch=1, offset=1)[: codec._HEADER.size]
    return codec._checked(header + msgspec.msgpack.encode(fields))


def test_the_largest_of_a_pane_leaves_with_it() -> None:
    plan = plan_of({"kind": "max", "property": "weight_kg", "window": "7d"})
    state = UserState()
    found = []
    for day, weight in ((0, 9), (3, 4), (6, 2), (7, 1), (20, 1)):
        fold_all(event(at_ms=START_MS + day * DAY_MS, weight_kg=weight), plan=plan, state=state)
        found.append(values(plan, state)[0])
    assert found == [9, 9, 9, 4, 1]
    assert isinstance(state.aggregates, Aggregates)
