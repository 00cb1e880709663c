"""How likely a visit ends in the class that it has now: learned from visits that ended."""

from __future__ import annotations

from ubi_stream.features.stage import Featurized
from ubi_stream.packs.plan import Plan
from ubi_stream.rules.frequency import FrequencyTable
from ubi_stream.state.model import Session
from ubi_stream.state.visit_class import class_of
from ubi_stream.state.visit_stages import CELLS, stage_of


class VisitConfidence:
    """Learns from each visit that ended, for each of its stages, whether it ended in the class that it had then.

    Parameters
    ----------
    rates
        What is learned; part of the models' snapshot.
    """

    def __init__(self, plan: Plan, rates: FrequencyTable) -> None:
        self._plan = plan
        self._rates = rates
        self._names = tuple(one.name for one in plan.parts.visit_classes)

    def learn(self, batch: Featurized) -> None:
        """Learn from the visits that ended in a batch."""
        if self._names:
            for change in batch.changes:
                if change.ended is not None and change.new:
                    self.learn_visit(change.ended.session)

    def learn_visit(self, session: Session) -> None:
        """Learn from one visit that ended."""
        final = class_of(session, self._plan)
        assert final is not None, "the last visit class holds for every visit"
        for stage in session.stages:
            place, cell = divmod(stage, CELLS)
            if place < len(self._names):  # the pack had more classes when the visit began
                self._rates.learn(self._names[place], cell, self._names[place] == final.name)

    def of(self, session: Session) -> float | dict[str, object] | None:
        """Probability that a visit ends in the class that it has now, or how far the warm-up is.

        None where the pack has no visit classes, or before the first event.
        """
        if not self._names or not session.events:
            return None
        place, cell = divmod(stage_of(session, self._plan), CELLS)
        probability = self._rates.probability(self._names[place], cell)
        return self._rates.status() if probability is None else probability
