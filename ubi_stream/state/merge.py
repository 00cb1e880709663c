"""Merges the state of one id into another's: what both did is counted as if one had done it.

Counts by pane, day and hour, totals and ids come out as they would if all events had come under one id, in any order.
Baselines are pooled by the values that they rest on. What is about the newest event is taken from the later state.
"""

from __future__ import annotations

from itertools import zip_longest

from ubi_stream.packs.plan import Plan
from ubi_stream.state.ewma import Baseline, taken_in
from ubi_stream.state.fold import FAST_ALPHA, PANES_OF_1_DAY, PANES_OF_1_H, PANES_OF_5_MIN, SLOW_ALPHA
from ubi_stream.state.habits import KEPT_DAYS, MAX_HABITUAL, MOST_OF_A_DAY, Habits, counts_of
from ubi_stream.state.log import log_event
from ubi_stream.state.merge_aggregates import merge_rings, merged_aggregates
from ubi_stream.state.model import RuleMet, UserState, VisitTotals
from ubi_stream.state.novelty import MAX_CATEGORIES
from ubi_stream.state.panes import HOUR_MS, add_micros
from ubi_stream.state.recent import ACTIVE_HOURS, EVENT_SECONDS, INTENT_SECONDS, SECOND_MS
from ubi_stream.state.risks import KEPT_DAYS as KEPT_DAYS_OF_RULES
from ubi_stream.state.spending import MAX_SPENT_CATEGORIES, Spent
from ubi_stream.state.ticks import Ticks, add_tick, advance
from ubi_stream.state.visits import VISIT_ALPHA


def merge_state(state: UserState, other: UserState, plan: Plan) -> None:
    """Take in all of another state, in place, but for its visits (`merge_visits`) and its open predictions."""
    if other.events == 0:
        return
    later = state.events > 0 and state.last_ms >= other.last_ms
    _merge_amounts(state, other, later=later)
    _merge_recent(state, other)
    if not later:
        for name in ("last_gap_s", "last_hour", "offset_min", "wait_ms", "repeat_ms"):
            setattr(state, name, getattr(other, name))
    if not state.segment:
        for name in ("segment", "segment_since_ms", "next_segment", "next_segment_ms", "asked_cell", "asked_ms"):
            setattr(state, name, getattr(other, name))
    merge_rings(state.minutes, other.minutes, PANES_OF_5_MIN)
    merge_rings(state.hours, other.hours, PANES_OF_1_H)
    merge_rings(state.days, other.days, PANES_OF_1_DAY)
    _merge_log(state, other, plan)
    if plan.declared is not None:
        state.aggregates = merged_aggregates(state.aggregates, other.aggregates, plan.declared)
    if other.hour_profile:
        profile = state.hour_profile or [0] * 24
        state.hour_profile = [one + two for one, two in zip(profile, other.hour_profile, strict=True)]
    state.gap_s = pooled(state.gap_s, other.gap_s, SLOW_ALPHA) or Baseline()
    state.categories = _most_frequent(state.categories, other.categories)
    state.spent = _merged_spent(state.spent, other.spent)
    state.habits = _merged_habits(state.habits, other.habits)
    _merge_rules(state, other)
    _merge_ids(state, other, plan)
    state.first_ms = min(state.first_ms, other.first_ms) if state.events else other.first_ms
    state.last_ms = max(state.last_ms, other.last_ms)
    state.last_conversion_ms = max(state.last_conversion_ms, other.last_conversion_ms)
    for name in ("events", "conversions", "late", "labels", "log_dropped"):
        setattr(state, name, getattr(state, name) + getattr(other, name))


def pooled(one: Baseline | None, other: Baseline | None, alpha: float) -> Baseline | None:
    """Baseline of the values of both; each weighs as much as the values that it remembers, 1 / `alpha` at most.

    Pooled mean and variance as by Chan, Golub, LeVeque 1979.
    """
    if one is None or one.n == 0:
        return other
    if other is None or other.n == 0:
        return one
    mine, theirs = min(one.n, 1 / alpha), min(other.n, 1 / alpha)
    share, delta = theirs / (mine + theirs), other.mean - one.mean
    variance = (1 - share) * one.variance + share * other.variance + share * (1 - share) * delta * delta
    return Baseline(one.n + other.n, one.mean + share * delta, variance)


def merge_visit_counts(visits: VisitTotals, other: VisitTotals) -> None:
    """Add what the ended visits of another state come to."""
    for name in ("count", "bounces", "converted", "with_intent"):
        setattr(visits, name, getattr(visits, name) + getattr(other, name))
    visits.duration_s = pooled(visits.duration_s, other.duration_s, VISIT_ALPHA)
    visits.depth = pooled(visits.depth, other.depth, VISIT_ALPHA)


def _merge_amounts(state: UserState, other: UserState, *, later: bool) -> None:
    """Pool the usual amounts and latencies. Of the two newest values the earlier one enters what is usual."""
    state.amount = pooled(state.amount, other.amount, SLOW_ALPHA)
    newest, theirs = state.newest_amount, other.newest_amount
    if theirs is not None:
        if newest is not None:
            state.amount = taken_in(state.amount, theirs if later else newest, SLOW_ALPHA)
        if newest is None or not later:
            state.last_amount, state.is_refund = other.last_amount, other.is_refund
    state.latency_ms = pooled(state.latency_ms, other.latency_ms, FAST_ALPHA)
    own_ms, other_ms = state.last_latency_ms, other.last_latency_ms
    if other_ms >= 0:
        if own_ms >= 0:
            state.latency_ms = taken_in(state.latency_ms, other_ms if later else own_ms, FAST_ALPHA)
        if own_ms < 0 or not later:
            state.last_latency_ms = other_ms


def _merge_recent(state: UserState, other: UserState) -> None:
    """Add up the last seconds and hours, before `state.last_ms` is moved on."""
    for name, width_ms, length in (
        ("event_seconds", SECOND_MS, EVENT_SECONDS),
        ("intent_seconds", SECOND_MS, INTENT_SECONDS),
        ("active_hours", HOUR_MS, ACTIVE_HOURS),
    ):
        ticks: Ticks = getattr(state, name)
        head, other_head = state.last_ms // width_ms, other.last_ms // width_ms
        newest = max(head, other_head)
        advance(ticks, head, newest, length)
        for key, amount in getattr(other, name).items():
            add_tick(ticks, newest, other_head - (other_head - key) % length, length, amount)


def _merge_log(state: UserState, other: UserState, plan: Plan) -> None:
    """Take in the other's events, before `state.last_ms` is moved on."""
    for entry in other.log:
        log_event(state, entry, delay_ms=plan.delay_ms, max_events=plan.entity.exact_max_events)


def _most_frequent(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    """Counts of both; where there are too many, the largest."""
    summed = dict(one)
    for name, count in other.items():
        summed[name] = summed.get(name, 0) + count
    if len(summed) <= MAX_CATEGORIES:
        return summed
    return dict(sorted(summed.items(), key=lambda item: (-item[1], item[0]))[:MAX_CATEGORIES])


def _merged_spent(one: Spent, other: Spent) -> Spent:
    """Money of both by category and day; the categories with the newest money stay."""
    merged = {name: dict(days) for name, days in one.items()}
    for name, days in other.items():
        own = merged.setdefault(name, {})
        for day, micros in days.items():
            own[day] = add_micros(own.get(day, 0), micros)
        newest = max(own)
        merged[name] = {day: micros for day, micros in own.items() if day > newest - PANES_OF_1_DAY}
    if len(merged) <= MAX_SPENT_CATEGORIES:
        return merged
    return dict(sorted(merged.items(), key=lambda item: (-max(item[1]), item[0]))[:MAX_SPENT_CATEGORIES])


def _merged_habits(one: Habits, other: Habits) -> Habits:
    head = max(one.head, other.head)
    if head < 0:
        return one

    def row(mine: bytes, theirs: bytes) -> bytes:
        days = head - KEPT_DAYS + 1, head
        sums = map(sum, zip(counts_of(mine, one.head, *days), counts_of(theirs, other.head, *days), strict=True))
        return bytes(min(count, MOST_OF_A_DAY) for count in sums).lstrip(b"\0")

    rows = {
        key: row(one.categories.get(key, b""), other.categories.get(key, b""))
        for key in dict.fromkeys((*one.categories, *other.categories))
    }
    turned_away = max(one.turned_away, other.turned_away)
    if len(rows) > MAX_HABITUAL:
        rows = dict(sorted(rows.items(), key=lambda item: (-sum(item[1]), item[0]))[:MAX_HABITUAL])
        turned_away = head
    rows = {key: counts for key, counts in rows.items() if counts}
    return Habits(head, row(one.visits, other.visits), rows, turned_away)


def _merge_rules(state: UserState, other: UserState) -> None:
    """Which rules were met, and on which days there were events."""
    day = max(state.active_day, other.active_day)
    state.active_days = _days_of(state.active_days, state.active_day, day) | _days_of(
        other.active_days, other.active_day, day
    )
    state.active_day = day
    rules = dict(state.rules)
    for name, theirs in other.rules.items():
        mine = rules.get(name)
        if mine is None:
            rules[name] = theirs
            continue
        newer = mine if mine.last_ms >= theirs.last_ms else theirs
        day = max(mine.day, theirs.day)
        days = _days_of(mine.days, mine.day, day) | _days_of(theirs.days, theirs.day, day)
        of_the_day = (one.reached if one.day == day else [] for one in (mine, theirs))
        reached = [max(steps) for steps in zip_longest(*of_the_day, fillvalue=0)]
        rules[name] = RuleMet(min(mine.since_ms, theirs.since_ms), newer.last_ms, day, days, newer.visit, reached)
    state.rules = rules


def _days_of(days: int, newest: int, head: int) -> int:
    """The bits of the days, the lowest for `head`."""
    ahead = head - newest
    return (days << ahead) & ((1 << KEPT_DAYS_OF_RULES) - 1) if 0 <= ahead < KEPT_DAYS_OF_RULES else 0


def _merge_ids(state: UserState, other: UserState, plan: Plan) -> None:
    """Ids of both, the newest of them: an event that comes again under the other id is a duplicate."""
    seconds = dict(other.recent_ids)
    for event_hash, second in state.recent_ids.items():
        seconds[event_hash] = max(second, seconds.get(event_hash, second))
    newest = sorted(seconds.items(), key=lambda item: (item[1], item[0]))
    state.recent_ids = dict(newest[-plan.dedup_max_ids :] if plan.dedup_max_ids else ())
