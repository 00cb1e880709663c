"""The outcomes of one kind of entity: rows and questions are predicted, answers learned, block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ubi_stream.arrays import blocks
from ubi_stream.features.stage import NO_ROW, Featurized, Matrix
from ubi_stream.models.drift.pack_detectors import loss_watches
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.models.outcomes.panel_batch import OutcomeRules, PanelBatch, Waiting
from ubi_stream.models.outcomes.predictions import Predictions
from ubi_stream.models.registry import Recipe
from ubi_stream.packs.candidates import CandidateModel, running
from ubi_stream.packs.outcomes import Outcome
from ubi_stream.packs.plan import Plan

_BLOCK: Final = 64
"""Moments after which the answers among them are learned: rows in between are predicted in one go."""


class Outcomes:
    """A panel for each outcome of the pack.

    Attributes
    ----------
    panels
        By the outcome's name.
    n_moments
        New moments that were gone through.
    """

    def __init__(self, plan: Plan, names: tuple[str, ...], *, seed: int) -> None:
        models = plan.parts.models
        planned = {outcome.name: outcome for outcome in plan.outcomes}
        asked = {outcome.name: outcome for outcome in plan.parts.outcomes if outcome.name in planned}
        self.n_changes = 0
        self.panels: dict[str, OutcomePanel] = {}
        for name, outcome in asked.items():
            candidates = running(models.candidates, name, costly=models.costly) or [_usual(name)]
            made = [_candidate(c, outcome, names, seed) for c in candidates]
            self.panels[name] = OutcomePanel(name, made, loss_watches(models, name, seed=seed))
        self._rules = {
            name: OutcomeRules(
                most=planned[name].max_open,
                bit=planned[name].index if outcome.by == "visit" else None,
                by_event=outcome.by == "label",
                tell_above=outcome.tell_above,
            )
            for name, outcome in asked.items()
        }
        self._waiting: dict[str, list[Waiting]] = {name: [] for name in self.panels}
        self._width = len(names)

    def run(self, batch: Featurized, first_new: int, peers_at: Callable[[int], Matrix]) -> Predictions:
        """Go through a batch in blocks: predict for a block's rows, then learn the answers that came in it.

        Blocks are counted in moments of the partition, so where the stream is cut into batches changes nothing.

        Parameters
        ----------
        first_new
            The first row that is new.
        peers_at
            Mean feature values of all entities when a row was scored, for explanations.
        """
        found = Predictions()
        parts = self._parts(batch, first_new)
        places = [position for position, row in enumerate(batch.rows) if row != NO_ROW]
        changes = [batch.changes[position] for position in places]
        for name, panel in self.panels.items():
            asked = {row: one for row, one in batch.asked if one.pending.outcome == name and row >= first_new}
            work = PanelBatch(self._rules[name], panel, batch, changes, asked, self._waiting[name], peers_at, found)
            if (choice := panel.take_choice()) is not None:  # a person's label came before
                found.choices.setdefault(0, []).append(choice)
            for part in parts:
                high = [places[row] for row in work.predict(part.start, part.stop)]
                for position in sorted({*part.eventful, *high}):
                    work.answer(position, self._width)
                    work.keep(batch.rows[position])
                if part.ends_block:
                    work.learn(part.positions[-1])
        return found

    def _parts(self, batch: Featurized, first_new: int) -> list[_ModelPart]:
        """The batch's share of each block, without moments that are not new: they come before all others."""
        asked = {row for row, _ in batch.asked}
        first = next((position for position, change in enumerate(batch.changes) if change.new), len(batch.changes))
        parts: list[_ModelPart] = []
        row = first_new
        for part in blocks(len(batch.changes) - first, self.n_changes % _BLOCK, _BLOCK):
            positions = range(first + part.start, first + part.stop)
            stop = row + sum(own != NO_ROW for own in batch.rows[positions.start : positions.stop])
            eventful = [p for p in positions if batch.changes[p].delayed_labels or batch.rows[p] in asked]
            parts.append(_ModelPart(positions, eventful, row, stop, (self.n_changes + part.stop) % _BLOCK == 0))
            row = stop
        self.n_changes += len(batch.changes) - first
        return parts


@dataclass(frozen=True, slots=True)
class _ModelPart:
    """What a batch has of a block: positions of moments, and their rows from `start` to before `stop`.

    `eventful` are the positions with answers or questions.
    """

    positions: range
    eventful: list[int]
    start: int
    stop: int
    ends_block: bool


def _usual(outcome: str) -> CandidateModel:
    """What predicts an outcome for which the pack lists no candidate."""
    return CandidateModel(name="line", outcome=outcome, kind="line")


def _candidate(candidate: CandidateModel, outcome: Outcome, names: tuple[str, ...], seed: int) -> Candidate:
    recipe = Recipe(candidate.kind, candidate.features or names, dict(candidate.parameters), seed)
    return Candidate(
        candidate.name,
        recipe,
        names,
        share=candidate.share,
        min_labels=outcome.warm_up,
        min_per_class=outcome.min_per_class,
        delayed=outcome.within_h is not None,
    )
