"""An entity's state as a document: what is known about it, in words and units instead of panes and positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ubi_stream.insights.encoding import iso_time
from ubi_stream.packs.plan import Plan
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.model import Logged, Session, UserState, VisitTotals
from ubi_stream.state.panes import DAY_MS, HOUR_MS, MICRO, MINUTE_MS, Pane, amount_of, events_of
from ubi_stream.state.visit_class import class_of
from ubi_stream.web.risk import risk_of

_WIDTHS_MS: Final = {
    "5m": 5 * MINUTE_MS,
    "1h": HOUR_MS,
    "24h": 24 * HOUR_MS,
    "7d": 7 * DAY_MS,
    "30d": 30 * DAY_MS,
}
OTHER: Final = "other"
"""Event types that the pack doesn't list."""


def profile(
    plan: Plan,
    entity_id: str,
    state: UserState,
    features: Mapping[str, float | None],
    visit_confidence: float | Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The document of one entity, as of its newest event (`last_seen`): windows and features end there.

    Parameters
    ----------
    plan
        Of the entity's kind.
    features
        By name; None where there is no value yet.
    visit_confidence
        Probability that the newest visit ends in the class that it has now, or how far the warm-up is.
    """
    return {
        "id": entity_id,
        "entity": plan.entity.name,
        "pack": plan.pack.name,
        "first_seen": iso_time(state.first_ms),
        "last_seen": iso_time(state.last_ms),
        "identities": [{"id": one, "since": iso_time(since_ms)} for one, since_ms in state.identities.items()],
        "segment": {"name": state.segment, "since": iso_time(state.segment_since_ms)} if state.segment else None,
        "risk": risk_of(plan, state),
        "counters": {
            "events": state.events,
            "conversions": state.conversions,
            "labels": state.labels,
            "late": state.late,
        },
        "windows": _exact_windows(plan, state) if plan.exact else _paned_windows(plan, state),
        "sessions": _sessions(state.visits),
        "latest_session": _session(state.session, plan, visit_confidence) if state.session.events else None,
        "amount": _baseline(state.amount, state.newest_amount),
        "latency_ms": _baseline(state.latency_ms, _measured(state.last_latency_ms)),
        "gap_s": _baseline(state.gap_s, _measured(state.last_gap_s)),
        "hour_profile": state.hour_profile or [0] * 24,
        "categories": dict(sorted(state.categories.items(), key=lambda item: (-item[1], item[0]))),
        "features": dict(features),
    }


def _paned_windows(plan: Plan, state: UserState) -> dict[str, Any]:
    panes = {
        "5m": state.minutes.last(1),
        "1h": state.minutes.total,
        "24h": state.hours.total,
        "7d": state.days.last(7),
        "30d": state.days.total,
    }
    return {name: _window(plan, pane) for name, pane in panes.items()}


def _exact_windows(plan: Plan, state: UserState) -> dict[str, Any]:
    windows = {}
    for name, width_ms in _WIDTHS_MS.items():
        within = [entry for entry in state.log if entry.time_ms > state.last_ms - width_ms]
        windows[name] = {
            **_window(plan, _sum(within, plan.other_type)),
            "labelled": sum(entry.outcome is not None for entry in within),
            "labelled_bad": sum(entry.outcome is True for entry in within),
        }
    return windows


def _sum(entries: list[Logged], other_type: int) -> Pane:
    """Logged events in the form of a pane."""
    pane = [0] * (other_type + 2)
    for entry in entries:
        pane[0] += entry.amount_micros
        pane[entry.type_index + 1] += 1
    return pane


def _window(plan: Plan, pane: Pane) -> dict[str, Any]:
    names = _type_names(plan)
    by_type: Counter[str] = Counter()
    for index, count in enumerate(pane[1:]):
        if count:
            by_type[names.get(index, OTHER)] += count
    return {"events": events_of(pane), "by_type": by_type, "amount": amount_of(pane)}


def _type_names(plan: Plan) -> dict[int, str]:
    return {index: name for name, index in plan.type_index.items()}


def _sessions(visits: VisitTotals) -> dict[str, Any]:
    """Ended sessions; means forget old ones slowly."""
    return {
        "ended": visits.count,
        "bounces": visits.bounces,
        "converted": visits.converted,
        "mean_duration_s": visits.duration_s.mean if visits.duration_s else None,
        "mean_events": visits.depth.mean if visits.depth else None,
    }


def _session(session: Session, plan: Plan, confidence: float | Mapping[str, object] | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "visit_class": found.name if (found := class_of(session, plan)) else None,
        "visit_class_confidence": confidence if isinstance(confidence, float) else None,
        "confidence_status": confidence if isinstance(confidence, Mapping) else None,
        "started_at": iso_time(session.start_ms),
        "last_at": iso_time(session.last_ms),
        "duration_s": (session.last_ms - session.start_ms) / 1000,
        "events": session.events,
        "interests": session.interests,
        "intents": session.intents,
        "conversions": session.conversions,
        "amount": session.amount_micros / MICRO,
        "last_event_type": _type_names(plan).get(session.last_type, OTHER),
    }


def _measured(newest: float) -> float | None:
    """A span of time; before the first it is below 0."""
    return newest if newest >= 0 else None


def _baseline(usual: Baseline | None, newest: float | None) -> dict[str, Any] | None:
    """The newest value, and mean and deviation of those before it; None where there has been no value."""
    if newest is None:
        return None
    return {
        "newest": newest,
        "mean": usual.mean if usual and usual.n else None,
        "deviation": usual.deviation if usual and usual.n else None,
        "values": usual.n if usual else 0,
    }
