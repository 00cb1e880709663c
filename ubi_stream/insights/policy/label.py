"""What a person's label brought about."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from ubi_stream.events.verdict import Verdict
from ubi_stream.insights.explain import short
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.models.feedback.labels import LabelStatus, Learned, Shift
from ubi_stream.packs.plan import Plan

_NOTHING: Final = "nothing was learned from it"


class Labels:
    """Answers each label of a person, also one that taught nothing."""

    def __init__(self, plan: Plan) -> None:
        self._entity = plan.entity.name.replace("_", " ")

    def tell(self, teller: Teller, learned: Learned, verdict: Verdict) -> Insight:
        """Tell of one label. Nobody is notified: it has no severity and no cool-down."""
        if learned.status in (LabelStatus.LEARNED, LabelStatus.CHANGED):
            teller.keep_memo()
        figures = {name: asdict(getattr(learned, name)) for name in ("probability", "threshold", "peers_threshold")}
        return teller.insight(
            InsightKind.LABEL,
            # Its place in the topic, not its id: of an entity that is not known, an id that comes twice is not noticed.
            cause=teller.moment.origin.event_id,
            label=verdict.label,
            score=learned.probability.after,
            explanation=Explanation(self._sentence(learned, verdict)),
            evidence={
                "status": learned.status,
                "insight_id": verdict.insight_id,
                "outcome": learned.outcome,
                "weight": verdict.weight,
                "author": verdict.author,
                "note": verdict.note,
                **figures,
                "labels": learned.labels,
                "entity_labels": learned.entity_labels,
            },
        )

    def _sentence(self, learned: Learned, verdict: Verdict) -> str:
        match learned.status:
            case LabelStatus.UNKNOWN_INSIGHT:
                return f"The label is about nothing that is still kept of this {self._entity}: {_NOTHING}"
            case LabelStatus.UNKNOWN_OUTCOME:
                return f"The pack has no outcome {learned.outcome}: {_NOTHING}"
            case LabelStatus.REPEATED:
                return "The same was said before: nothing changed"
            case _:
                return f"{self._taken(learned, verdict)}; {self._now(learned)}"

    def _taken(self, learned: Learned, verdict: Verdict) -> str:
        if learned.outcome is None:
            taken = "Confirmed" if verdict.positive else "Taken for a false alarm"
        else:
            taken = f"Learned that {learned.outcome.replace('_', ' ')} is {'true' if verdict.positive else 'not true'}"
        return f"{taken}, against what was said before" if learned.status is LabelStatus.CHANGED else taken

    def _now(self, learned: Learned) -> str:
        if learned.outcome is not None:
            return f"its probability is now {_percent(learned.probability)}"
        threshold, peers = learned.threshold, learned.peers_threshold
        return (
            f"from now on this {self._entity} alerts above {_change(threshold)}, others above {_change(peers)}; "
            f"an alert like it is taken to be right with a probability of {_percent(learned.probability)}"
        )


def _percent(share: Shift) -> str:
    """A probability after a label, and before it."""
    before, after = ("unknown" if value is None else f"{100 * value:.0f} %" for value in (share.before, share.after))
    return f"{after} (before {before})"


def _change(threshold: Shift) -> str:
    """A threshold after a label, and before it; with digits enough to tell scores near 1 apart."""
    before, after = (
        "unknown" if value is None else short(value) if value < 0.99 else f"{value:.6g}"
        for value in (threshold.before, threshold.after)
    )
    return f"{after} (before {before})"
