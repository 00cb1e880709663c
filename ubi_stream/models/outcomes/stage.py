"""The outcomes of one kind of entity: answers are learned, questions and rows predicted, in the order of moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ubi_stream.features.stage import NO_ROW, Featurized, Matrix, unpack_kept
from ubi_stream.models.drift.losses import Worsened
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.champion import Choice
from ubi_stream.models.outcomes.panel import OutcomePanel, Prediction
from ubi_stream.models.protocol import log_odds_of
from ubi_stream.models.registry import Recipe
from ubi_stream.packs.candidates import CandidateModel, running
from ubi_stream.packs.outcomes import Outcome
from ubi_stream.packs.plan import Plan
from ubi_stream.state.memo import Said
from ubi_stream.state.model import Question
from ubi_stream.state.questions import Answer
from ubi_stream.state.stage import Moment


@dataclass(frozen=True, slots=True)
class Standing:
    """Who serves, and on how much evidence: of every score from one row to the next standing.

    Attributes
    ----------
    n_seen
        Labels that the model has learned from.
    warm_up
        Whether it abstains for want of them.
    """

    row: int
    model: str
    n_seen: int
    warm_up: bool


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A row whose probability is above what the pack wants to be told, and what made it so.

    Attributes
    ----------
    log_odds, baseline_log_odds
        Of the model before calibration: for the row, and for the entity's usual values (the peers' where it has none).
    parts
        What each feature adds to their difference, shape (features,); they add up to it where `is_linear`.
    """

    outcome: str
    probability: float
    log_odds: float
    baseline_log_odds: float
    parts: Matrix
    is_linear: bool


@dataclass(slots=True)
class OutcomeScores:
    """What the models of one outcome say of a batch.

    Attributes
    ----------
    told
        Calibrated probabilities, shape (rows,); NaN while warming up, and for rows that are not new.
    standings
        From which row on who served, in order.
    """

    told: Matrix
    standings: list[Standing] = field(default_factory=list)

    def standing(self, row: int) -> Standing | None:
        """Who served when a row was scored; None if it is not new."""
        return next((standing for standing in reversed(self.standings) if standing.row <= row), None)

    def evidence(self, row: int) -> dict[str, object]:
        """A row's probability, and what it rests on, in plain values."""
        standing, told = self.standing(row), float(self.told[row])
        if standing is None or np.isnan(told):
            n_seen = 0 if standing is None else standing.n_seen
            return {"probability": None, "reason": "warming_up", "n_seen": n_seen, "warm_up": True}
        return {"probability": told, "model": standing.model, "n_seen": standing.n_seen, "warm_up": False}


@dataclass(slots=True)
class Predictions:
    """What the models of all outcomes say of a batch.

    Attributes
    ----------
    outcomes
        By name, in the pack's order.
    foreseen
        By row, what the pack wants to be told.
    choices
        By position of the moment, which model serves from then on.
    asked
        Entities whose memo holds new predictions, or gave some back.
    worsened
        By position of the moment, outcomes whose model has become worse.
    """

    outcomes: dict[str, OutcomeScores] = field(default_factory=dict)
    foreseen: dict[int, list[Foreseen]] = field(default_factory=dict)
    choices: dict[int, list[Choice]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    worsened: dict[int, list[Worsened]] = field(default_factory=dict)

    def evidence(self, row: int) -> dict[str, dict[str, object]]:
        """What is known of a row, by outcome."""
        return {name: scores.evidence(row) for name, scores in self.outcomes.items()}


class Outcomes:
    """A panel for each outcome of the pack.

    Attributes
    ----------
    panels
        By the outcome's name.
    """

    def __init__(self, plan: Plan, names: tuple[str, ...], *, seed: int) -> None:
        models = plan.pack.models
        planned = {outcome.name: outcome for outcome in plan.outcomes}
        asked = {outcome.name: outcome for outcome in plan.pack.outcomes if outcome.name in planned}
        self.panels: dict[str, OutcomePanel] = {}
        for name, outcome in asked.items():
            candidates = running(models.candidates, name, costly=models.costly) or [_usual(name)]
            self.panels[name] = OutcomePanel(name, [_candidate(c, outcome, names, seed) for c in candidates])
        self._rules = {
            name: _Rules(
                most=outcome.max_open if outcome.by == "label" else 1,
                bit=planned[name].index if outcome.by == "visit" else None,
                tell_above=outcome.tell_above,
            )
            for name, outcome in asked.items()
        }
        self._width = len(names)

    def run(self, batch: Featurized, first_new: int, peers_at: Callable[[int], Matrix]) -> Predictions:
        """Go through a batch: learn from the answers of each moment, then predict for its row.

        Parameters
        ----------
        first_new
            The first row that is new.
        peers_at
            Mean feature values of all entities when a row was scored, for explanations.
        """
        found = Predictions()
        answers = list(_answers(batch))
        moments = [moment for moment, row in zip(batch.moments, batch.rows, strict=True) if row != NO_ROW]
        for name, panel in self.panels.items():
            asked = {row: question for row, question in batch.asked if question.outcome == name and row >= first_new}
            work = _Work(self._rules[name], panel, batch, moments, asked, peers_at, found)
            if (choice := panel.take_choice()) is not None:  # a person's label came before
                found.choices.setdefault(0, []).append(choice)
            start = first_new
            for position, row, answer in answers:
                if answer.question.outcome == name and self._is_comparable(answer.question.row):
                    work.score(start, row)
                    start = max(row, start)
                    work.learn(position, answer)
            work.score(start, len(moments))
        return found

    def _is_comparable(self, kept: bytes) -> bool:
        """Whether a row was kept, and with as many features as the pack has now."""
        return len(unpack_kept(kept)) == self._width


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the pack says of an outcome: predictions kept of an entity, and from where on it is told of."""

    most: int
    bit: int | None
    tell_above: float | None


@dataclass(slots=True)
class _Work:
    """One panel at work on one batch."""

    rules: _Rules
    panel: OutcomePanel
    batch: Featurized
    moments: list[Moment]
    asked: Mapping[int, Question]
    peers_at: Callable[[int], Matrix]
    found: Predictions
    scores: OutcomeScores = field(init=False)

    def __post_init__(self) -> None:
        self.scores = OutcomeScores(np.full(len(self.moments), np.nan))
        self.found.outcomes[self.panel.outcome] = self.scores

    def score(self, start: int, stop: int) -> None:
        """Predict for rows among which nothing is learned."""
        if start >= stop:
            return
        panel = self.panel
        self.scores.standings.append(Standing(start, panel.serving.name, panel.n_seen, panel.warm_up))
        prediction = panel.predict_many(self.batch.scaled[start:stop])
        self.scores.told[start:stop] = prediction.told
        rows = [row for row in range(start, stop) if row in self.asked]
        if rows:
            self._keep(rows, prediction.of([row - start for row in rows]))
        if self.rules.tell_above is not None and not panel.warm_up:
            for row in np.flatnonzero(prediction.told >= self.rules.tell_above) + start:
                self._foresee(int(row))

    def learn(self, position: int, answer: Answer) -> None:
        """Learn an answer, and note who serves from then on if that changes."""
        question, moment = answer.question, self.batch.moments[position]
        said = moment.state.memo.take_said(question.outcome, question.id)
        if said is not None:
            self.found.asked.append(moment.entity_id)
        self.panel.learn(
            self.batch.scale(unpack_kept(question.row)),
            answer.positive,
            asked=said,
            question=question.id,
            delay_s=(answer.at_ms - question.asked_ms) / 1000.0,
            late=answer.late,
        )
        choice, moved = self.panel.take_choice(), self.panel.take_loss_moved()
        if choice is not None:
            self.found.choices.setdefault(position, []).append(choice)
        if moved is not None and moved.worse:
            worse = Worsened(self.panel.outcome, moved.before, moved.after, switched=choice is not None)
            self.found.worsened.setdefault(position, []).append(worse)

    def _keep(self, rows: list[int], prediction: Prediction) -> None:
        """Have all candidates predict for questions, and keep what they say with the entity."""
        questions = [self.asked[row] for row in rows]
        figures = self.panel.ask(self.batch.scaled[rows], [question.id for question in questions], prediction)
        for row, question, said in zip(rows, questions, figures, strict=True):
            moment = self.moments[row]
            moment.state.memo.keep_said(question.outcome, Said(question.id, said), self.rules.most)
            self.found.asked.append(moment.entity_id)

    def _foresee(self, row: int) -> None:
        """Explain a row that may be told of, unless the outcome is true already.

        Whether the entity was told lately is not known yet: what comes before in the batch is decided later.
        """
        if self.rules.bit is not None and self.batch.facts[row].hits >> self.rules.bit & 1:
            return
        batch, serving = self.batch, self.panel.serving
        usual = np.where(np.isnan(batch.usual[row]), self.peers_at(row), batch.usual[row])
        baseline = batch.scale(usual)
        scores = serving.score_many(np.stack((batch.scaled[row], baseline)))
        here, there = map(log_odds_of, scores.tolist())
        self.found.foreseen.setdefault(row, []).append(
            Foreseen(
                self.panel.outcome,
                float(self.scores.told[row]),
                here,
                there,
                serving.contributions(batch.scaled[row], baseline),
                bool(serving.model.describe().get("linear")),
            )
        )


def _answers(batch: Featurized) -> Iterator[tuple[int, int, Answer]]:
    """Answers of new moments in order: position of the moment, the first row at or after it, and the answer."""
    row = 0
    for position, (moment, own) in enumerate(zip(batch.moments, batch.rows, strict=True)):
        if moment.new:
            for answer in moment.answers:
                yield position, row, answer
        row += own != NO_ROW


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
    )
