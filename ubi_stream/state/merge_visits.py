"""Merges the visits and open predictions of one id into another's.

A visit that is over is only counted: its record was written under the id that it had. Two that run and belong together
become one. Else the later one goes on as the current visit, and the other one ends with the merge.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import msgspec

from ubi_stream.packs.plan import Plan
from ubi_stream.state.distinct import merged_distinct
from ubi_stream.state.merge import merge_visit_counts
from ubi_stream.state.merge_aggregates import merged_visit_aggregates
from ubi_stream.state.model import PendingPrediction, Session, UserState, VisitTotals
from ubi_stream.state.panes import add_micros
from ubi_stream.state.pending import DelayedLabel, labels_of_visit
from ubi_stream.state.visits import MAX_PAUSES, EndedVisit, count_visit, ended_visit


class MergedVisits(NamedTuple):
    """What a merge brought to an end: a visit that nobody was told of yet, and answers to open predictions."""

    ended: EndedVisit | None = None
    delayed_labels: tuple[DelayedLabel, ...] = ()


def merge_visits(
    state: UserState, other: UserState, plan: Plan, *, watermark_ms: int, other_watermark_ms: int
) -> MergedVisits:
    """Take the visits and open predictions of another state into this one, in place, before `merge_state`.

    Parameters
    ----------
    watermark_ms, other_watermark_ms
        Of the partition of each state: they say which visits and predictions time has ended already.
    """
    over = _is_over(state.session, plan, watermark_ms)
    other_over = _is_over(other.session, plan, other_watermark_ms)
    if other.other_session is not None:
        count_visit(other.visits, other.other_session)
    own, theirs = _by_visit(state, plan), _by_visit(other, plan)
    merged = MergedVisits()
    stays = theirs  # predictions about a visit that is over, or goes on as the current one
    if not (over or other_over) and _belong_together(state.session, other.session, plan):
        merge_visit_counts(state.visits, other.visits)
        state.session = joined(state.session, other.session)
        kept = _earliest([*own, *theirs])
        stays, own = [one for one in kept if one in theirs], [one for one in kept if one in own]
    elif state.session.events and state.last_ms >= other.last_ms:
        if not other_over:
            merged = _displaced(other, plan, other.last_ms)
        _count(other.visits, other.session)
        merge_visit_counts(state.visits, other.visits)
        stays = []
    else:
        if not over:
            merged = _displaced(state, plan, state.last_ms)
        _count(state.visits, state.session)
        own = []
        if other_over:
            _count(other.visits, other.session)
            stays = []
        merge_visit_counts(state.visits, other.visits)
        state.session = Session() if other_over else other.session
        if not other_over and _is_over(other.session, plan, watermark_ms):
            merged = MergedVisits(ended_visit(state), labels_of_visit(other, other.last_ms, plan))
    delayed_labels = _merge_questions(state, other, plan, (own, stays), (watermark_ms, other_watermark_ms))
    return MergedVisits(merged.ended, (*merged.delayed_labels, *delayed_labels))


def joined(one: Session, other: Session) -> Session:
    """One visit of two that belong together."""
    first, last = (one, other) if one.start_ms <= other.start_ms else (other, one)
    newest = one if one.last_ms >= other.last_ms else other
    counted = [mine + theirs for mine, theirs in zip(one.counted or [0] * 4, other.counted or [0] * 4, strict=True)]
    return msgspec.structs.replace(
        newest,
        id=one.id if one.id is not None else other.id,
        part=max(one.part, other.part),
        start_ms=first.start_ms,
        began_ms=first.began_ms,
        events=one.events + other.events,
        interests=one.interests + other.interests,
        intents=one.intents + other.intents,
        conversions=one.conversions + other.conversions,
        amount_micros=add_micros(one.amount_micros, other.amount_micros),
        first_pace_ms=first.first_pace_ms or last.first_pace_ms,
        hits=one.hits | other.hits,
        gaps=one.gaps + other.gaps,
        pauses_ms=[*first.pauses_ms, *last.pauses_ms][-MAX_PAUSES:],
        hour_share=first.hour_share,
        new_categories=max(one.new_categories, other.new_categories),
        amount_ratio=max(one.amount_ratio, other.amount_ratio),
        items=merged_distinct(one.items, other.items),
        categories=merged_distinct(one.categories, other.categories),
        earlier=one.earlier or other.earlier,
        paused_ms=one.paused_ms + other.paused_ms,
        stages=[],  # where either of them stood says nothing about both
        counted=counted if any(counted) else [],
        aggregates=merged_visit_aggregates(one.aggregates, other.aggregates),
    )


def _count(visits: VisitTotals, session: Session) -> None:
    if session.events:
        count_visit(visits, session)


def _is_over(session: Session, plan: Plan, watermark_ms: int) -> bool:
    return session.events == 0 or session.last_ms + plan.session_gap_ms <= watermark_ms


def _belong_together(one: Session, other: Session, plan: Plan) -> bool:
    """Whether events of both would have been in one visit: no two session ids, and no gap between them."""
    if one.id is not None and other.id is not None and one.id != other.id:
        return False
    return max(one.start_ms, other.start_ms) - min(one.last_ms, other.last_ms) <= plan.session_gap_ms


def _displaced(state: UserState, plan: Plan, at_ms: int) -> MergedVisits:
    """The current visit of a state as one that ends with the merge."""
    return MergedVisits(ended_visit(state), labels_of_visit(state, at_ms, plan))


def _by_visit(state: UserState, plan: Plan) -> list[PendingPrediction]:
    """Open predictions about the current visit."""
    return [one for one in state.pending_predictions if (found := plan.outcome_of(one.outcome)) and found.by == "visit"]


def _earliest(pending_predictions: list[PendingPrediction]) -> list[PendingPrediction]:
    """Of each outcome the one with the smallest hash: a visit's prediction is made at that event."""
    chosen: dict[str, PendingPrediction] = {}
    for pending in pending_predictions:
        if pending.outcome not in chosen or pending.id < chosen[pending.outcome].id:
            chosen[pending.outcome] = pending
    return list(chosen.values())


def _merge_questions(
    state: UserState,
    other: UserState,
    plan: Plan,
    about_visit: tuple[list[PendingPrediction], list[PendingPrediction]],
    watermarks_ms: tuple[int, int],
) -> list[DelayedLabel]:
    """Take over the open predictions of another state; answers to those that time ends with the merge.

    Those that time has answered in the other partition stay behind.
    """
    own, theirs = about_visit
    watermark_ms, other_watermark_ms = watermarks_ms
    kept = [one for one in state.pending_predictions if one.due_ms or one.reference or one in own]
    taken = [one for one in other.pending_predictions if one.due_ms > other_watermark_ms or one in theirs]
    for pending in taken:
        pending.settled = pending.settled or pending not in theirs
        state.rows[pending.id] = other.rows[pending.id]
    state.keep_pending(_newest([*kept, *taken], plan))
    over = [one for one in taken if one in state.pending_predictions and 0 < one.due_ms <= watermark_ms]
    return [DelayedLabel(one, state.rows[one.id], bool(one.answer), one.due_ms) for one in over]


def _newest(pending_predictions: list[PendingPrediction], plan: Plan) -> list[PendingPrediction]:
    """As many of the newest open predictions of each outcome as are kept of one user, in order."""
    kept: list[PendingPrediction] = []
    counts: Counter[str] = Counter()
    for pending in reversed(pending_predictions):
        outcome = plan.outcome_of(pending.outcome)
        if outcome is None:
            continue
        counts[outcome.name] += 1
        if counts[outcome.name] <= outcome.max_open:
            kept.append(pending)
    return kept[::-1]
