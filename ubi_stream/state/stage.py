"""The fold stage: events become moments of entities, each once, in order.

A moment is what happened to one entity: an event of its own, or a silence that the partition's watermark brought to
light. The stage decides what is new, what is a duplicate and what a replay; see `docs/delivery.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ubi_stream.events.model import Event, Origin
from ubi_stream.ids import short_hash
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import ERASE_TYPE, LABEL_TYPE, MERGE_TYPE
from ubi_stream.state.counts import FoldCounts
from ubi_stream.state.dedup import is_applied, is_duplicate, remember, remembered_ms
from ubi_stream.state.erasure import Before, Erased, Erasures
from ubi_stream.state.fold import fold, fold_label
from ubi_stream.state.identities import closes_circle, undoes
from ubi_stream.state.identity_fold import IdentityFold
from ubi_stream.state.inactivity import DORMANT_STAGE, PREDICTION_STAGE, RETENTION_STAGE, REVIEW_STAGE, SESSION_STAGE
from ubi_stream.state.model import Session, UserState
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.pending import (
    DelayedLabel,
    LabelAnswers,
    dues,
    labels_at_event,
    labels_by_person,
    labels_due,
    labels_of_visit,
    next_due_ms,
)
from ubi_stream.state.progress import Progress
from ubi_stream.state.reviews import day_reviewed, next_review_ms, reviews_between
from ubi_stream.state.store import Live, StateStore
from ubi_stream.state.timers import Due, DueTimers, InactivityTimers
from ubi_stream.state.visits import EndedVisit, ended_visit


class StateChange(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened to one entity.

    `state` is the live state right after it, valid until the next moment is asked for. `new` says whether it is to be
    scored, learned from and told about, or only folded. `event` is None for a silence; `ended` is the visit that is
    over and was not told about before; `dormant` says that the silence made the entity dormant; `delayed_labels` are of
    predictions that were opened at earlier events. `cause_id` and `origin` are those of the event that brought it
    about, which for a silence is another entity's. `watermark_ms` is the partition's watermark with that event.
    `erased` is set where the event had the entity erased. `late_visit` is the visit that the event belongs to,
    where the watermark had passed its end already. `reviewed` is the day (since 1970, UTC) whose end has
    the entity's habits looked at, -1 if the moment is none such.
    """

    entity_id: str
    state: UserState
    at_ms: int
    new: bool
    event: Event | None
    event_hash: int
    ended: EndedVisit | None
    dormant: bool
    delayed_labels: tuple[DelayedLabel, ...]
    cause_id: str
    origin: Origin
    trace_id: str
    watermark_ms: int
    erased: Erased | None = None
    late_visit: EndedVisit | None = None
    reviewed: int = -1


class Fold:
    """Folds one partition's events into its states."""

    def __init__(
        self,
        plan: Plan,
        states: StateStore,
        progress: Progress,
        timers: InactivityTimers,
        due_timers: DueTimers,
        erasures: Erasures,
        identities: IdentityFold,
    ) -> None:
        self._plan = plan
        self._states = states
        self._progress = progress
        self._timers = timers
        self._due_timers = due_timers
        self._erasures = erasures
        self._identities = identities
        self._counts = FoldCounts()

    def take_counts(self) -> FoldCounts:
        """Counts since they were last taken."""
        counts, self._counts = self._counts, FoldCounts()
        return counts

    def fold(self, events: Iterable[Event]) -> Iterator[StateChange]:
        """Moments of a batch of events. Lazy: each is made when it is asked for, so its state is the one right then."""
        self._states.trim()
        for event in events:
            since_ms = self._progress.watermark_ms
            change = self._own_change(event)
            if change is not None:
                yield change
                self._schedule_opened(change)
                time_ms = change.watermark_ms
                if time_ms > since_ms and (self._timers.is_due(time_ms) or self._due_timers.is_due(time_ms)):
                    yield from self._inactivity(event, since_ms)

    def _own_change(self, event: Event) -> StateChange | None:  # noqa: C901 - the order of the checks is what matters
        plan, progress = self._plan, self._progress
        new = progress.is_new(event.topic, event.offset)
        entity_id = plan.entity_id(event.user_id, event.properties)
        if entity_id is None:
            self._counts.foreign += new
            return None
        if new and event.sender is not None and not progress.take_forward(event.sender):
            return None
        live = self._states.get(entity_id)
        if live is not None and is_applied(event, live):
            return None
        if event.identity is not None and closes_circle(
            event, entity_id
        ):  # whatever came between: else the circle would never end
            if live is None:
                return None
            return self._identified(event, entity_id, live, short_hash(event.event_id), new=new)
        if self._erasures.may_concern(event, live) and (before := self._erasures.is_before(event, entity_id)):
            self._counts.erased += new and before is Before.HAPPENED
            if new and before is Before.HAPPENED:
                self._identities.erase_source(event, entity_id)
            return None
        if live is not None and live.state.merged_into and self._is_redirected(event, live.state, new=new):
            self._counts.redirected += new
            self._mark_applied(event, entity_id, live)
            self._timers.touch(entity_id, live.state.last_ms, progress.watermark_ms)
            return None
        event_hash = short_hash(event.event_id)
        if event.event_type == ERASE_TYPE:
            return self._erased(event, entity_id, live, event_hash, new=new)
        if event.is_named and live is not None and is_duplicate(event, event_hash, live.state, plan):
            self._counts.duplicates += new
            return None
        if event.event_type == LABEL_TYPE:
            return self._labelled(event, entity_id, live, event_hash, new=new)
        if event.identity is not None:
            return self._identified(event, entity_id, live, event_hash, new=new)
        ended = None
        delayed_labels: list[DelayedLabel] = []
        before_ms = live.state.last_ms if live else 0
        if live is None:
            live = self._erasures.begin(entity_id, self._states.new(entity_id))
        elif event.event_time_ms - live.state.last_ms >= plan.retention_ms:
            ended = ended_visit(live.state)
            delayed_labels = labels_at_event(live.state, event, ended, plan, progress.watermark_ms)
            live = self._forgotten(entity_id, live)
        state = live.state
        newest_day = state.last_ms // DAY_MS
        self._counts.late += new and event.event_time_ms < progress.watermark_ms
        events_before = state.session.events
        over = fold(state, event, plan)
        if over is not None:
            ended = over
        delayed_labels += labels_at_event(state, event, over, plan, progress.watermark_ms)
        delivered = before_ms + plan.session_gap_ms <= progress.watermark_ms
        is_in_visit = over is not None or state.session.events > events_before
        late_visit = ended_visit(state) if is_in_visit and self._is_over(state.session) else None
        self._timers.touch(entity_id, state.last_ms, progress.watermark_ms)
        self._mark_applied(event, entity_id, live, event_hash)
        if state.last_ms // DAY_MS > newest_day and (due_ms := next_review_ms(state, progress.watermark_ms, plan)):
            self._due_timers.plan(entity_id, due_ms)  # before time passes: it may pass the review with this very event
        self._pass_time(event, new=new)
        return self._change(
            event,
            entity_id,
            state,
            event_hash,
            new=new,
            # Where the watermark had passed the end of all visits before this event, it was told about then.
            ended=None if delivered else ended,
            delayed_labels=tuple(delayed_labels),
            late_visit=late_visit,
        )

    def _is_over(self, session: Session) -> bool:
        """Whether the watermark has passed the end of a visit."""
        return session.last_ms + self._plan.session_gap_ms <= self._progress.watermark_ms

    def _labelled(self, event: Event, entity_id: str, live: Live | None, event_hash: int, *, new: bool) -> StateChange:
        """Take in a label. It is nothing that the entity did: one that is unknown stays so, a silent one silent.

        A person labels at any time, also what happened long ago: the time of that moves nothing on.
        """
        matched = event.verdict is not None
        delayed_labels = LabelAnswers()
        if live is not None:
            matched = fold_label(live.state, event, self._plan)
            delayed_labels = labels_by_person(live.state, event, self._plan, self._progress.watermark_ms)
            self._mark_applied(event, entity_id, live, event_hash)
        self._counts.unmatched_labels += new and not (matched or delayed_labels.is_matched)
        if event.verdict is None:
            self._pass_time(event, new=new)
        state = live.state if live else UserState()
        return self._change(event, entity_id, state, event_hash, new=new, delayed_labels=delayed_labels.delayed_labels)

    def refers_back(self, event: Event, part: Sequence[Event]) -> bool:
        """Whether an identity command depends on what is decided of the events right before it.

        It hands over what was delivered, and a segment. One that hands over nothing lets a batch go on.
        """
        if event.event_type == MERGE_TYPE:
            return bool(event.carried)
        if any(before.user_id == event.user_id for before in part):
            return True
        live = self._states.get(event.user_id)
        return live is not None and event.identity is not None and live.state.merged_into != event.identity.other

    def _is_redirected(self, event: Event, state: UserState, *, new: bool) -> bool:
        is_known = event.event_time_ms - state.last_ms < self._plan.retention_ms
        return is_known and self._identities.redirect(event, state, new=new)

    def _identified(
        self, event: Event, entity_id: str, live: Live | None, event_hash: int, *, new: bool
    ) -> StateChange:
        """Take in what is said of whose profile is whose. It is nothing that anybody did: time does not move on."""
        watermark_ms = self._progress.watermark_ms
        is_known = live is not None and event.event_time_ms - live.state.last_ms < self._plan.retention_ms
        if not is_known and undoes(event):
            return self._change(event, entity_id, UserState(), event_hash, new=new)  # there is nothing to undo
        if live is None:
            live = self._erasures.begin(entity_id, self._states.new(entity_id))
        elif not is_known:
            live = self._forgotten(entity_id, live)
        state = live.state
        folded = self._identities.fold(event, entity_id, state, watermark_ms, new=new)
        self._mark_applied(event, entity_id, live, event_hash)
        if folded.history_changed:
            self._states.touch(entity_id)
        self._timers.touch(entity_id, state.last_ms, watermark_ms)
        if state.merged_into:
            self._due_timers.forget(entity_id)
        else:
            self._schedule(entity_id, state)
        ended, delayed_labels = folded.visits
        return self._change(event, entity_id, state, event_hash, new=new, ended=ended, delayed_labels=delayed_labels)

    def _erased(self, event: Event, entity_id: str, live: Live | None, event_hash: int, *, new: bool) -> StateChange:
        """Forget all of a user, as of the event's place, whatever its time: that moves nothing on."""
        kept_since_ms = self._progress.watermark_ms - self._plan.retention_ms
        erased = self._erasures.note(entity_id, event, live, kept_since_ms=kept_since_ms)
        if new:
            self._identities.erase_others(event, entity_id, live.state if live else None)
        self._states.erase(entity_id)
        self._timers.forget(entity_id)
        self._due_timers.forget(entity_id)
        return self._change(event, entity_id, UserState(), event_hash, new=new, erased=erased)

    def _pass_time(self, event: Event, *, new: bool) -> None:
        """Move the watermark on. A clock that is ahead must not make all others late: arrival bounds the time."""
        if new:
            time_ms = min(event.event_time_ms, event.origin.timestamp_ms)
            self._progress.advance(time_ms - self._plan.lateness_ms)

    def _change(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        event: Event,
        entity_id: str,
        state: UserState,
        event_hash: int,
        *,
        new: bool,
        ended: EndedVisit | None = None,
        delayed_labels: tuple[DelayedLabel, ...] = (),
        erased: Erased | None = None,
        late_visit: EndedVisit | None = None,
    ) -> StateChange:
        return StateChange(
            entity_id=entity_id,
            state=state,
            at_ms=event.event_time_ms,
            new=new,
            event=event,
            event_hash=event_hash,
            ended=ended,
            dormant=False,
            delayed_labels=delayed_labels,
            cause_id=event.event_id,
            origin=event.origin,
            trace_id=event.trace_id or event.event_id,
            watermark_ms=self._progress.watermark_ms,
            erased=erased,
            late_visit=late_visit,
        )

    def _mark_applied(self, event: Event, entity_id: str, live: Live, event_hash: int | None = None) -> None:
        if event.sender is not None:
            live.state.forwarded[event.sender.source] = event.sender.offset
        else:
            live.offset = event.offset
        live.state.applied += 1
        if event.is_named and event_hash is not None:
            remember(live.state.recent_ids, event_hash, remembered_ms(event, live.state) // 1000, self._plan)
        self._states.changed(entity_id, live)

    def _forgotten(self, entity_id: str, live: Live) -> Live:
        """A fresh state for an entity that was silent for longer than the retention; delivery marks and memo stay."""
        fresh = self._states.new(entity_id)
        fresh.offset, fresh.state.forwarded, fresh.state.applied = (
            live.offset,
            live.state.forwarded,
            live.state.applied,
        )
        fresh.state.history = live.state.history
        return fresh

    def _inactivity(self, cause: Event, since_ms: int) -> Iterator[StateChange]:
        """Silences of other entities that come to light as the watermark moves on."""
        watermark_ms = self._progress.watermark_ms
        fired = self._timers.fire(since_ms, watermark_ms) + self._due(since_ms, watermark_ms)
        for due in sorted(fired):
            live = self._states.get(due.entity_id)
            if live is None:
                continue
            if due.stage == RETENTION_STAGE:
                self._states.forget(due.entity_id)
                continue
            if live.state.merged_into:
                continue  # whatever the id does or leaves undone counts for its user
            yield StateChange(
                entity_id=due.entity_id,
                state=live.state,
                at_ms=due.deadline_ms,
                new=True,
                event=None,
                event_hash=0,
                ended=ended_visit(live.state) if due.stage == SESSION_STAGE and live.state.session.events else None,
                dormant=due.stage == DORMANT_STAGE,
                delayed_labels=self._labels_of_inactivity(live.state, due),
                reviewed=day_reviewed(due.deadline_ms) if due.stage == REVIEW_STAGE else -1,
                cause_id=cause.event_id,
                origin=cause.origin,
                trace_id=cause.trace_id or cause.event_id,
                watermark_ms=watermark_ms,
            )

    def _schedule_opened(self, change: StateChange) -> None:
        """After what is to be asked at a moment was asked: the ends of earlier questions are planned already."""
        if change.event_hash in change.state.rows:
            self._schedule(change.entity_id, change.state)

    def _schedule(self, entity_id: str, state: UserState) -> None:
        """See to it that an entity is woken at the next end of a horizon, or the next review."""
        watermark_ms = self._progress.watermark_ms
        prediction_ms = next_due_ms(state, watermark_ms)
        review_ms = next_review_ms(state, watermark_ms, self._plan)
        if due_ms := min(prediction_ms, review_ms) or max(prediction_ms, review_ms):
            self._due_timers.plan(entity_id, due_ms)

    def _due(self, since_ms: int, watermark_ms: int) -> list[Due]:
        """Ends of horizons and reviews that come to light as the watermark moves on."""
        found: list[Due] = []
        for entity_id in self._due_timers.fire(watermark_ms):
            live = self._states.get(entity_id)
            if live is not None:
                passed = {due_ms for due_ms in dues(live.state) if since_ms < due_ms <= watermark_ms}
                found.extend(Due(due_ms, entity_id, PREDICTION_STAGE) for due_ms in passed)
                reviews = reviews_between(live.state, since_ms, watermark_ms, self._plan)
                found.extend(Due(due_ms, entity_id, REVIEW_STAGE) for due_ms in reviews)
                self._schedule(entity_id, live.state)
        return found

    def _labels_of_inactivity(self, state: UserState, due: Due) -> tuple[DelayedLabel, ...]:
        if due.stage == SESSION_STAGE:
            return labels_of_visit(state, due.deadline_ms, self._plan)
        return labels_due(state, due.deadline_ms, self._plan) if due.stage == PREDICTION_STAGE else ()
