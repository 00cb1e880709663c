"""Makes the insights of one moment: ids, positions, times, and cool-downs."""

from __future__ import annotations

from typing import Final

from ubi_stream.ids import EntityId, insight_id
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.packs.plan import Plan
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.stage import StateChange
from ubi_stream.state.store import StateStore

MINUTE_MS: Final = 60_000
_ANSWERS: Final = frozenset((InsightKind.LABEL, InsightKind.ERASURE))
"""Kinds that answer a command: they are about nothing that the entity did."""
POPULATION: Final = "population"
"""Entity of an insight about all entities; its user id is their kind, or `<kind>/<partition>` if it is of one alone."""


class InsightBuilder:
    """Makes the insights of one moment.

    Attributes
    ----------
    moment
        What happened, and to whom; `segment` is the one that the entity is in with it.
    """

    def __init__(
        self,
        plan: Plan,
        change: StateChange,
        model_version: str,
        states: StateStore,
        population: InsightHistory,
        segment: str = "",
    ) -> None:
        self._plan = plan
        self._model_version = model_version
        self._states = states
        self._population = population
        self.change = change
        self._segment = segment

    def allows(self, kind: InsightKind, label: str, cool_down_min: float, *, cause: str = "") -> bool:
        """Whether the entity may be told about now; if so, the cool-down begins. `cool_down_min` is in minutes.

        Each cause has a cool-down of its own: with the visit as the cause, the next visit is told about at once.
        """
        allowed = self._begin(self.change.state.history, kind, label, cause, cool_down_min)
        if allowed and cool_down_min:
            self.keep_history()
        return allowed

    def keep_history(self) -> None:
        """Note that the memo of the moment's entity was written to."""
        self._states.touch(self.change.entity_id)

    def population_allows(self, kind: InsightKind, label: str, cool_down_min: float, *, cause: str = "") -> bool:
        """The same of all entities of the partition together."""
        return self._begin(self._population, kind, label, cause, cool_down_min)

    def insight(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        kind: InsightKind,
        *,
        label: str,
        explanation: Explanation,
        evidence: dict[str, object],
        window: str = "",
        score: float | None = None,
        confidence: float | None = None,
        severity: Severity = Severity.INFO,
        cause: str | None = None,
        at_ms: int | None = None,
        population: bool = False,
        incident: str = "",
    ) -> Insight:
        """Make one about the moment's entity, or about the population: all entities of the partition.

        `cause` and `at_ms` are the moment's, unless it only brought to light what was so before. `incident` names what
        concerns the population of all partitions: each that sees it makes an insight of the same id.
        """
        change, origin = self.change, self.change.origin
        entity, subject = (POPULATION, self._plan.entity.name) if incident else self._subject(population)
        cause_id = incident or cause or change.cause_id
        return Insight(
            id=insight_id(self._plan.pack.name, entity, EntityId(subject), kind, cause_id, window),
            kind=kind,
            entity=entity,
            user_id=subject,
            pack=self._plan.pack.name,
            at_ms=change.at_ms if at_ms is None else at_ms,
            label=label,
            score=score,
            confidence=confidence,
            severity=severity,
            explanation=explanation,
            evidence=evidence if population or kind in _ANSWERS else {**self._visit_and_segment(), **evidence},
            model_version=self._model_version,
            source=InsightSource(origin.topic, origin.partition, origin.offset),
            trace_id=change.trace_id,
            received_ms=origin.timestamp_ms,
        )

    def incident(self, cause: str, every_min: float, at_ms: int | None = None) -> str:
        """Name an incident of the whole population: its cause, and the span of event time that it is in.

        Partitions see an incident at times that differ. In one span of `every_min` minutes they name it the same.
        """
        span_ms = max(round(every_min * MINUTE_MS), 1)
        return f"{cause}/{(self.change.at_ms if at_ms is None else at_ms) // span_ms}"

    def id_of(self, kind: InsightKind, cause: str, window: str, *, population: bool = False) -> str:
        """Id of the insight that would be made of that."""
        entity, subject = self._subject(population)
        return insight_id(self._plan.pack.name, entity, EntityId(subject), kind, cause, window)

    def _visit_and_segment(self) -> dict[str, object]:
        """The visit of the event, and the segment that the entity was in with it, as far as they are known."""
        event = self.change.event
        found = {"session_id": None if event is None else event.session_id, "segment": self._segment}
        return {name: value for name, value in found.items() if value}

    def _subject(self, population: bool) -> tuple[str, str]:
        """Kind and id of whom an insight is about."""
        entity, change = self._plan.entity.name, self.change
        return (POPULATION, f"{entity}/{change.origin.partition}") if population else (entity, change.entity_id)

    def _begin(self, history: InsightHistory, kind: InsightKind, label: str, cause: str, cool_down_min: float) -> bool:
        change, subject = self.change, f"{kind}/{label}/{cause}" if cause else f"{kind}/{label}"
        if history.is_quiet(subject, change.at_ms):
            return False
        if cool_down_min:
            history.be_quiet(subject, change.at_ms + round(cool_down_min * MINUTE_MS), now_ms=change.watermark_ms)
        return True
