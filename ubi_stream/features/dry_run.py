"""Tries a pack's features on states like those of a stream, before a worker meets a mistake in one of them."""

from __future__ import annotations

from numbers import Real

import msgspec

from ubi_stream.errors import ConfigError
from ubi_stream.events.model import Record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.features.registry import Feature
from ubi_stream.packs.declared import sample_of
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.state.fold import fold
from ubi_stream.state.model import UserState

_START_MS = 1_700_000_000_000
_TIMES_MS = (0, 60_000, 5_000, DAY_MS, 9 * DAY_MS, 40 * DAY_MS)
"""An event, one a minute later, a late one, the next day, the next week, after all windows."""


def try_features(features: tuple[Feature, ...], plan: Plan) -> None:
    """Extract features from an empty state and after events of each type.

    Raises
    ------
    ConfigError
        A feature raises, returns no number, or another one when it is asked again.
    """
    state = UserState()
    _try(features, state, _START_MS, plan)
    for record in _records(plan):
        for event in read_events([record], Validator.of(plan.pack), forwarded=False).events:
            fold(state, event, plan)
            _try(features, state, event.event_time_ms, plan)


def _try(features: tuple[Feature, ...], state: UserState, at_ms: int, plan: Plan) -> None:
    for found in features:
        for extract in (found.extract, found.usual):
            if extract is None:
                continue
            try:
                values = [extract(state, at_ms, plan) for _ in range(2)]
            except Exception as error:  # an extension's code: whatever it raises, it is the feature's mistake
                raise ConfigError(f"feature {found.name!r} raises {type(error).__name__}: {error}") from error
            if not all(isinstance(value, Real) for value in values):
                raise ConfigError(f"feature {found.name!r} returns {values[0]!r}; expected a number, or MISSING")
            if repr(values[0]) != repr(values[1]):
                raise ConfigError(
                    f"feature {found.name!r} returns {values[0]!r}, then {values[1]!r} for the same state"
                )


def _records(plan: Plan) -> list[Record]:
    roles = plan.pack.events.roles
    numbers = {name: 12.5 for name in (roles.amount, roles.latency) if name}
    words = {name: "a" for name in (roles.category, roles.reference, plan.entity.key) if name}
    contents = [
        {
            "user_id": "somebody",
            "event_type": event_type,
            "event_time": _START_MS + time_ms,
            "properties": numbers | words | sample_of(plan.pack.features),
        }
        for time_ms in _TIMES_MS
        for event_type in plan.pack.events.types
    ]
    return [
        Record("dry run", 0, offset, _START_MS + DAY_MS, b"somebody", msgspec.json.encode(content), ())
        for offset, content in enumerate(contents)
    ]
