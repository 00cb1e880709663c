"""Questions about a user's future, kept with the features they were asked at until the answer is learned.

They are part of the state: a function of the user's own events. A question with a horizon is learned when the horizon
ends, a yes as well as a no. If each yes were learned when it comes, the labels of the newest horizon would be yeses
alone, and every prediction too high. Whether an answer was given is not stored. By time it was, exactly if the
partition's watermark has passed the question's end; so it is with silences (`state/timers.py`).

References
----------
O. Chapelle: Modeling delayed feedback in display advertising. KDD 2014.
S. I. Ktena et al.: Addressing delayed feedback for continuous training with neural networks in CTR prediction.
RecSys 2019.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from ubi_stream.events.model import Event
from ubi_stream.ids import short_hash
from ubi_stream.packs.plan import Plan, PlannedOutcome
from ubi_stream.state.model import PendingPrediction, Session, UserState
from ubi_stream.state.visits import EndedVisit


class DelayedLabel(msgspec.Struct, frozen=True, gc=False):
    """What became of a question, and with which features it was asked.

    `at_ms` is the event time at which it is learned: the end of the horizon or of the visit. `late` says that another
    answer was learned then, and this one came after.
    """

    pending: PendingPrediction
    row: bytes
    positive: bool
    at_ms: int
    late: bool = False


class Opened(NamedTuple):
    """A new question, and the id of the one that it replaces; 0 if it replaces none."""

    pending: PendingPrediction
    replaces: int = 0


class LabelAnswers(NamedTuple):
    """Whether a label names a question that is kept, and the answers that it contradicts."""

    is_matched: bool = False
    delayed_labels: tuple[DelayedLabel, ...] = ()


def ask(
    state: UserState, event_hash: int, at_ms: int, reference: int, plan: Plan, row: Callable[[], bytes]
) -> list[Opened]:
    """Ask what is to be asked at an event, with the features right after it; returns the new questions.

    Mostly nothing is: only else `row` is called for the features, once.

    Of a visit's events the one with the smallest hash is asked at, among those before the first yes: each is as likely
    as another, and a replay chooses the same. Labels name an event: each event with a reference is asked about.
    """
    opened: list[Opened] = []
    pending_predictions, session, replaced = state.pending_predictions, state.session, False
    for outcome in plan.outcomes:
        waiting: PendingPrediction | None = None
        if outcome.by == "label":
            if not reference:
                continue
            _limit(state, outcome)
            pending_predictions = state.pending_predictions
        else:
            if outcome.by == "visit" and (session.hits >> outcome.index & 1 or at_ms < session.start_ms):
                continue
            kept, name = 0, outcome.name
            for pending in pending_predictions:
                if pending.outcome == name:
                    kept += 1
                    if not pending.settled:
                        waiting = pending
            if event_hash >= waiting.id if waiting is not None else kept >= outcome.max_open:
                continue  # as nearly always: it is asked at its event, or there are enough questions
        due_ms = at_ms + outcome.within_ms if outcome.within_ms else 0
        pending = PendingPrediction(outcome.name, event_hash, at_ms, due_ms, reference if outcome.by == "label" else 0)
        if waiting is None:
            pending_predictions.append(pending)
        else:
            pending_predictions[pending_predictions.index(waiting)] = pending
            replaced = True
        opened.append(Opened(pending, 0 if waiting is None else waiting.id))
    if opened:
        state.rows[event_hash] = row()
    if replaced:
        state.keep_pending(pending_predictions)
    return opened


def labels_at_event(  # noqa: C901 - one branch for each way of an answer
    state: UserState, event: Event, ended: EndedVisit | None, plan: Plan, watermark_ms: int
) -> list[DelayedLabel]:
    """Answers that an event of the user has learned, which `state` contains already.

    A yes within a horizon is noted, and learned when the horizon ends. `ended` is the visit that the event ended,
    `watermark_ms` the watermark before it.
    """
    delayed_labels: list[DelayedLabel] = []
    if not state.pending_predictions:
        return delayed_labels
    at_ms, type_index = event.event_time_ms, plan.type_index.get(event.event_type)
    done: list[PendingPrediction] = []
    for pending in state.pending_predictions:
        outcome = plan.outcome_of(pending.outcome)
        if outcome is None:
            done.append(pending)  # the pack asked that once
            continue
        if ended is not None:
            pending.settled = True
        if outcome.by == "visit":
            if ended is None:
                continue
            done.append(pending)
            # Where the watermark had passed the visit's end, all of it was learned then, a yes as well.
            if ended.session.last_ms + plan.session_gap_ms > watermark_ms:
                delayed_labels.append(
                    DelayedLabel(pending, state.rows[pending.id], has_hit(ended.session, outcome), at_ms)
                )
            continue
        is_learned = pending.due_ms <= watermark_ms
        if at_ms > pending.due_ms + plan.lateness_ms:  # events may come as late as the lateness
            done.append(pending)
            if not is_learned:
                delayed_labels.append(_at_horizon(state, pending))
        elif _is_yes(pending, outcome, at_ms, type_index, ended):
            pending.answer = pending.settled = True
            if is_learned:
                delayed_labels.append(DelayedLabel(pending, state.rows[pending.id], True, at_ms, late=True))
    if done:
        state.keep_pending([pending for pending in state.pending_predictions if pending not in done])
    return delayed_labels


def _is_yes(
    pending: PendingPrediction, outcome: PlannedOutcome, at_ms: int, type_index: int | None, ended: EndedVisit | None
) -> bool:
    """Whether an event is the first yes within a question's horizon."""
    if pending.answer is not None or not pending.asked_ms < at_ms <= pending.due_ms:
        return False
    return type_index in outcome.types if outcome.by == "event" else outcome.by == "return" and ended is not None


def labels_by_person(state: UserState, event: Event, plan: Plan, watermark_ms: int) -> LabelAnswers:
    """Note what a `$label` event says of the questions asked at the event that it names; the newest label counts."""
    name = event.properties.get(plan.reference) if plan.reference else None
    positive = event.properties.get(plan.outcome) if plan.outcome else None
    if not state.pending_predictions or name is None or not isinstance(positive, bool):
        return LabelAnswers()
    reference = short_hash(str(name))
    named = [pending for pending in state.pending_predictions if reference and pending.reference == reference]
    contradicted = [q for q in named if q.due_ms <= watermark_ms and positive != bool(q.answer)]
    for pending in named:
        pending.answer = positive
    return LabelAnswers(
        bool(named),
        tuple(DelayedLabel(q, state.rows[q.id], positive, event.event_time_ms, late=True) for q in contradicted),
    )


def labels_of_visit(state: UserState, at_ms: int, plan: Plan) -> tuple[DelayedLabel, ...]:
    """Answers that the end of the current visit brings. The state stays: its next event says that again, unheard."""
    asked = ((pending, plan.outcome_of(pending.outcome)) for pending in state.pending_predictions)
    return tuple(
        DelayedLabel(pending, state.rows[pending.id], has_hit(state.session, outcome), at_ms)
        for pending, outcome in asked
        if outcome is not None and outcome.by == "visit"
    )


def labels_due(state: UserState, due_ms: int, plan: Plan) -> tuple[DelayedLabel, ...]:
    """Answers that the end of a horizon brings: what is not answered is a no. The state stays, as above."""
    return tuple(
        _at_horizon(state, pending)
        for pending in state.pending_predictions
        if pending.due_ms == due_ms and plan.outcome_of(pending.outcome) is not None
    )


def _at_horizon(state: UserState, pending: PendingPrediction) -> DelayedLabel:
    return DelayedLabel(pending, state.rows[pending.id], bool(pending.answer), pending.due_ms)


def has_hit(session: Session, outcome: PlannedOutcome) -> bool:
    """Whether a visit had an event that is a yes to the outcome."""
    return bool(session.hits >> outcome.index & 1)


def dues(state: UserState) -> list[int]:
    """Ends of the horizons of open questions, in ms of event time."""
    return [pending.due_ms for pending in state.pending_predictions if pending.due_ms]


def next_due_ms(state: UserState, watermark_ms: int) -> int:
    """The first end of a horizon that the watermark has not passed; 0 if there is none."""
    first_ms = 0
    for pending in state.pending_predictions:
        if pending.due_ms > watermark_ms and not 0 < first_ms <= pending.due_ms:
            first_ms = pending.due_ms
    return first_ms


def _limit(state: UserState, outcome: PlannedOutcome) -> None:
    """Make room for one more of an outcome: the oldest goes, unanswered."""
    same = [pending for pending in state.pending_predictions if pending.outcome == outcome.name]
    if len(same) >= outcome.max_open:
        state.keep_pending([pending for pending in state.pending_predictions if pending is not same[0]])
