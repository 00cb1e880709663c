"""What a person's label brought about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

from ubi_stream.events.verdict import Label
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim, compared, stated
from ubi_stream.insights.kinds.recommendation import Answered
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.insights.wording import short
from ubi_stream.models.feedback.labels import LabelStatus, Learned, Shift
from ubi_stream.packs.plan import Plan


class LabelInsights:
    """Answers each label of a person, also one that taught nothing."""

    def __init__(self, plan: Plan) -> None:
        self._texts = plan.pack.texts
        self._entity = self._texts.entity_word(plan.entity.name)

    def insights(self, builder: InsightBuilder, learned: Learned, verdict: Label, answered: Answered | None) -> Insight:
        """Tell of one label; `answered` is the recommendation that it is an answer to, if it is one.

        Nobody is notified: it has no severity and no cool-down.
        """
        if learned.status in (LabelStatus.LEARNED, LabelStatus.CHANGED):
            builder.keep_history()
        figures = {name: asdict(getattr(learned, name)) for name in ("probability", "threshold", "peers_threshold")}
        return builder.insight(
            InsightKind.LABEL,
            # Its place in the topic, not its id: of an entity that is not known, an id that comes twice is not noticed.
            cause=builder.change.origin.event_id,
            label=verdict.label,
            score=learned.probability.after,
            explanation=Explanation(
                self._sentence(learned, verdict)
                if answered is None
                else self._texts.label_recommendation.format(action=answered.name.replace("_", " ")),
                claims=tuple(_claims(learned)),
            ),
            evidence={
                "status": _status(learned, answered),
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

    def _sentence(self, learned: Learned, verdict: Label) -> str:
        texts = self._texts
        match learned.status:
            case LabelStatus.UNKNOWN_INSIGHT:
                return texts.label_unknown_insight.format(entity=self._entity)
            case LabelStatus.UNKNOWN_OUTCOME:
                return texts.label_unknown_outcome.format(outcome=learned.outcome)
            case LabelStatus.REPEATED:
                return texts.label_repeated
        taken, probability = self._taken(learned, verdict), self._percent(learned.probability)
        if learned.outcome is not None:
            return texts.label_outcome.format(taken=taken, probability=probability)
        return texts.label_alert.format(
            taken=taken,
            entity=self._entity,
            own=self._score(learned.threshold),
            others=self._score(learned.peers_threshold),
            probability=probability,
        )

    def _taken(self, learned: Learned, verdict: Label) -> str:
        texts, positive = self._texts, verdict.positive
        if learned.outcome is None:
            taken = texts.label_confirmed if positive else texts.label_false_alarm
        else:
            sentence = texts.label_true if positive else texts.label_untrue
            taken = sentence.format(outcome=texts.outcome_word(learned.outcome))
        return texts.label_against.format(taken=taken) if learned.status is LabelStatus.CHANGED else taken

    def _percent(self, share: Shift) -> str:
        """A probability after a label, and before it."""
        return self._shift(share, lambda value: f"{100 * value:.0f} %")

    def _score(self, threshold: Shift) -> str:
        """A threshold after a label, and before it; with digits enough to tell scores near 1 apart."""
        return self._shift(threshold, lambda value: short(value) if value < 0.99 else f"{value:.6g}")

    def _shift(self, shift: Shift, words: Callable[[float], str]) -> str:
        before, after = (
            self._texts.unknown if value is None else words(value) for value in (shift.before, shift.after)
        )
        return self._texts.label_shift.format(after=after, before=before)


def _status(learned: Learned, answered: Answered | None) -> LabelStatus:
    if answered is None:
        return learned.status
    return LabelStatus.LEARNED if answered.taught else LabelStatus.RECORDED


def _claims(learned: Learned) -> Iterator[Claim]:
    """The figures that a label moved."""
    for name, unit in (("probability", "share"), ("threshold", "score"), ("peers_threshold", "score")):
        shift: Shift = getattr(learned, name)
        if shift.after is not None and shift.before is not None:
            yield compared(name, shift.after, unit, shift.before, "own_usual")
        elif (known := shift.before if shift.after is None else shift.after) is not None:
            yield stated(name, known, unit)
