"""What one entity's record holds, about 0.8 kB: a function of its own events, and a memo of what was told."""

from __future__ import annotations

import msgspec

from ubi_stream.state.aggregates import Aggregates, VisitAggregates
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.habits import Habits
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.panes import PaneRing


class Session(msgspec.Struct, array_like=True, gc=False):
    """The current visit: events with one session id, or without a gap longer than the pack's.

    `part` counts how often the same session id went on after such a gap. `hits` has a bit for each outcome of the pack:
    whether an event that is a yes to it was in the visit. `gaps` counts the pauses in `pace_ms`; `pauses_ms` are the
    newest of a second or more. What is odd about the visit, compared with all before it: `hour_share`, the share of
    earlier events around its first hour, per thousand (-1: not known); `new_categories` (-1: too little known before);
    `amount_ratio`, its largest price by the usual amount, per cent (0: none).
    `items` and `categories` are sketches of the different ones (`ubi_stream.state.distinct`). `began_ms` is the time of
    the event that began the visit: it names the visit, and stays when an earlier event comes late, while `start_ms`
    moves back. `earlier` is what the parts before came to, `paused_ms` the time between them.
    """

    id: str | None = None
    part: int = 0
    start_ms: int = 0
    last_ms: int = 0
    events: int = 0
    interests: int = 0
    intents: int = 0
    conversions: int = 0
    amount_micros: int = 0
    last_type: int = -1
    pace_ms: float = 0.0
    first_pace_ms: float = 0.0
    hits: int = 0
    gaps: int = 0
    pauses_ms: list[int] = []
    hour_share: int = -1
    new_categories: int = -1
    amount_ratio: int = 0
    items: list[int] = []
    categories: list[int] = []
    began_ms: int = 0
    earlier: Session | None = None
    paused_ms: int = 0
    stages: list[int] = []
    """Where it stood as it went on: see `ubi_stream.state.visit_stages`."""
    counted: list[int] = []
    """Interests, intents, conversions and micros of money when it was left for another session id: those are told."""
    aggregates: VisitAggregates | None = None
    """For the pack's declared features; of all parts of the visit."""


class VisitTotals(msgspec.Struct, array_like=True, gc=False):
    """What all ended visits come to; no baseline before the first."""

    count: int = 0
    bounces: int = 0
    converted: int = 0
    with_intent: int = 0
    duration_s: Baseline | None = None
    depth: Baseline | None = None


class Logged(msgspec.Struct, array_like=True, gc=False):
    """One event in an exact log. `outcome` is None until a label says whether the event was bad."""

    time_ms: int
    amount_micros: int
    type_index: int
    reference: int
    outcome: bool | None = None


class PendingPrediction(msgspec.Struct, array_like=True, gc=False):
    """What is asked about an entity, at one of its events, and not answered yet.

    `id` is the event's hash, `due_ms` the end of the horizon (0: when the visit ends), `reference` the hash of what a
    label will name the event by. One that is `settled` stays at its event. `answer` is what is known so far, to be
    learned at the end of the horizon; None is a no unless a yes comes. The event's features are in the state's `rows`.
    """

    outcome: str
    id: int
    asked_ms: int
    due_ms: int
    reference: int = 0
    settled: bool = False
    answer: bool | None = None


class RuleMet(msgspec.Struct, array_like=True, gc=False):
    """When an entity met a rule of the pack.

    `since_ms` is the first event of the run that it last met it in, `last_ms` the newest. `days` has a bit for each of
    the 30 days until `day` on which it did, the lowest for `day`. `visit` is the number of the visit. `reached` has for
    each way to meet the rule the steps past its threshold on `day`, and 1; 0 where it was not met so.
    """

    since_ms: int
    last_ms: int
    day: int
    days: int
    visit: int
    reached: list[int] = []


class UserState(msgspec.Struct, array_like=True, gc=False):
    """State of one entity. Times are Unix milliseconds of event time.

    All but `history` is a function of its own events.
    Fields are encoded by position: append new ones, with a default.
    """

    first_ms: int = 0
    last_ms: int = 0
    events: int = 0
    minutes: PaneRing = msgspec.field(default_factory=PaneRing)
    hours: PaneRing = msgspec.field(default_factory=PaneRing)
    days: PaneRing = msgspec.field(default_factory=PaneRing)
    log: list[Logged] = []
    log_dropped: int = 0
    session: Session = msgspec.field(default_factory=Session)
    visits: VisitTotals = msgspec.field(default_factory=VisitTotals)
    hour_profile: list[int] = []
    gap_s: Baseline = msgspec.field(default_factory=Baseline)
    amount: Baseline | None = None
    latency_ms: Baseline | None = None
    last_gap_s: float = -1.0
    last_amount: float = -1.0
    last_latency_ms: float = -1.0
    last_hour: int = 0
    conversions: int = 0
    last_conversion_ms: int = 0
    categories: dict[str, int] = {}
    recent_ids: dict[int, int] = {}
    forwarded: dict[str, int] = {}
    segment: str = ""
    segment_since_ms: int = 0
    next_segment_ms: int = 0
    late: int = 0
    labels: int = 0
    applied: int = 0
    """Events and labels taken in, over forgetting too: of two records of one entity, the larger is the newer."""
    history: InsightHistory = msgspec.field(default_factory=InsightHistory)
    spent: dict[str, dict[int, int]] = {}
    """Money by category and day, of packs with forecasts: see `ubi_stream.state.spending`."""
    pending_predictions: list[PendingPrediction] = []
    rows: dict[int, bytes] = {}
    """By id of a question the features it was asked with, as 32-bit floats: one row for all questions of an event."""
    event_seconds: dict[int, int] = {}
    """Events by second of the last minute: see `ubi_stream.state.ticks`."""
    intent_seconds: dict[int, int] = {}
    """Intents by second of the last five minutes."""
    active_hours: dict[int, int] = {}
    """Milliseconds in visits by hour of the last 24 hours."""
    offset_min: int | None = None
    """How far the user's clock was ahead of UTC at the newest event; None where nothing names the zone."""
    repeat_ms: int = -1
    """Time between the newest event and the one before, where both had the same type and were in one visit; else -1."""
    is_refund: bool = False
    """Whether `last_amount` is below 0 as a refund, and not because there has been none."""

    @property
    def newest_amount(self) -> float | None:
        """The newest amount that counts as spent, below 0 for a refund; None where there has been none."""
        return self.last_amount if self.is_refund or self.last_amount >= 0 else None

    next_segment: str = ""
    """What the segment will be, if it stays so since `next_segment_ms` for as long as the pack asks for."""
    asked_cell: int = -1
    """What is asked about the segment: see `ubi_stream.rules.segments`. -1 where nothing is."""
    asked_ms: int = 0
    habits: Habits = msgspec.field(default_factory=Habits)
    """Of packs that ask for changes of behaviour."""
    wait_ms: int = -1
    """Latency of the newest event, -1 where it had none."""
    active_day: int = -1
    active_days: int = 0
    """The newest day with events on the user's clock, and a bit for each of the 30 days until it that had some."""
    rules: dict[str, RuleMet] = {}
    """By name, the rules of the pack that the entity met: see `ubi_stream.state.risks`."""
    other_session: Session | None = None
    """The visit that was left for the current one, by a switch of session id within the gap: two devices in turn."""
    aggregates: Aggregates | None = None
    """For the pack's declared features over windows: see `ubi_stream.state.aggregates`."""

    merged_into: str = ""
    """The user whose profile this one was merged into: later events count there. The rest stays for a split."""
    identities: dict[str, int] = {}
    """Ids that were merged into this one, and the time of the command, oldest first."""

    def keep_pending(self, pending_predictions: list[PendingPrediction]) -> None:
        """Keep these questions alone, and the rows that they were asked with."""
        self.pending_predictions = pending_predictions
        used = {pending.id for pending in pending_predictions}
        if used != self.rows.keys():
            self.rows = {asked: row for asked, row in self.rows.items() if asked in used}
