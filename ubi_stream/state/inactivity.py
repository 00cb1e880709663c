"""The silences that matter, and after how long each is one; `stage` of a fired timer says which."""

from __future__ import annotations

from typing import Final

from ubi_stream.packs.plan import Plan
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.timers import InactivityTimers

SESSION_STAGE: Final = 0
DORMANT_STAGE: Final = 1
RETENTION_STAGE: Final = 2
PREDICTION_STAGE: Final = 3
REVIEW_STAGE: Final = 4
GRACE_MS: Final = DAY_MS
"""How much longer than the retention a record is kept. An event after the retention finds nothing of before, be the
record still there or not; the grace makes that true of late ones too. Else a replay, which finds records that were
forgotten later, would differ."""


def inactivity_timers(plan: Plan) -> InactivityTimers:
    """Timers of a visit's end, of dormancy, and of the time from which on an entity is forgotten."""
    return InactivityTimers((plan.session_gap_ms, plan.dormant_ms, plan.retention_ms + GRACE_MS))
