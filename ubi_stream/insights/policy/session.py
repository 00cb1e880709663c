"""A visit that is over."""

from __future__ import annotations

from collections.abc import Iterator

from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.words import in_words
from ubi_stream.packs.plan import Plan
from ubi_stream.state.panes import MICRO
from ubi_stream.state.visits import EndedVisit


class Sessions:
    """Sums up each visit of two events or more."""

    def __init__(self, plan: Plan) -> None:
        self._texts = plan.pack.texts
        self._tells = plan.pack.outputs.sessions and plan.entity.key is None  # a terminal visits nobody

    def tell(self, teller: Teller, ended: EndedVisit, segment: str) -> Iterator[Insight]:
        """Tell of the visit; `segment` is what the entity was during it."""
        session = ended.session
        if not self._tells or session.events < 2:
            return
        seconds = (session.last_ms - session.start_ms) / 1000
        texts, summary = self._texts, self._texts.session
        if session.conversions:
            label, deed = "converted", texts.deed_converted
        elif session.intents:
            label, deed = "abandoned", texts.deed_abandoned
        else:
            label, deed = "browsed", texts.deed_browsed
        parts = [
            Contribution("session_duration_min", seconds / 60, _share(seconds, ended.usual_duration_s)),
            Contribution("session_depth", float(session.events), _share(session.events, ended.usual_depth)),
        ]
        cause, at_ms = visit_cause(ended)
        summary = summary.format(
            duration=in_words(seconds / 60, "minutes", texts), events=str(session.events), deed=deed
        )
        yield teller.insight(
            InsightKind.SESSION,
            cause=cause,
            at_ms=at_ms,
            label=label,
            explanation=Explanation(summary, tuple(parts)),
            evidence={
                "session_id": session.id,
                "start_ms": session.start_ms,
                "end_ms": session.last_ms,
                "events": session.events,
                "interests": session.interests,
                "intents": session.intents,
                "conversions": session.conversions,
                "amount": session.amount_micros / MICRO,
                "segment": segment,
            },
        )


def visit_cause(ended: EndedVisit) -> tuple[str, int]:
    """What names a visit, and its time: when it began, so that one id never has two times.

    When it ended depends on the order of events, and that of forwarded ones among others may differ after a crash.
    """
    session = ended.session
    return f"visit {session.id or ''} from {session.start_ms}", session.start_ms


def _share(value: float, usual: float | None) -> float:
    """How far a value is from the usual one, as a share of it; 0 where there is none."""
    return (value - usual) / usual if usual else 0.0
