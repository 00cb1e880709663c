"""What the models of outcomes say of a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ubi_stream.features.stage import Matrix
from ubi_stream.models.drift.losses import Worsened
from ubi_stream.models.outcomes.champion import ChampionChoice


@dataclass(frozen=True, slots=True)
class Standing:
    """Who serves, and on how much evidence: of every score from one row to the next standing.

    Attributes
    ----------
    n_seen
        Labels that the model has learned from.
    warm_up
        Whether it abstains for want of them.
    gives_base_rate
        Whether the share of positives is given in place of what the model says.
    """

    row: int
    model: str
    n_seen: int
    warm_up: bool
    gives_base_rate: bool = False


@dataclass(frozen=True, slots=True)
class LikelyOutcome:
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

    delivered: Matrix
    standings: list[Standing] = field(default_factory=list)

    def standing(self, row: int) -> Standing | None:
        """Who served when a row was scored; None if it is not new."""
        return next((standing for standing in reversed(self.standings) if standing.row <= row), None)

    def evidence(self, row: int) -> dict[str, object]:
        """A row's probability, and what it rests on, in plain values."""
        standing, delivered = self.standing(row), float(self.delivered[row])
        if standing is None or np.isnan(delivered):
            n_seen = 0 if standing is None else standing.n_seen
            return {"probability": None, "reason": "warming_up", "n_seen": n_seen, "warm_up": True}
        evidence: dict[str, object] = {"probability": delivered, "model": standing.model}
        if standing.gives_base_rate:
            evidence |= {"model": "base_rate", "reason": "horizon_open"}
        return evidence | {"n_seen": standing.n_seen, "warm_up": False}


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
    likely: dict[int, list[LikelyOutcome]] = field(default_factory=dict)
    choices: dict[int, list[ChampionChoice]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    worsened: dict[int, list[Worsened]] = field(default_factory=dict)

    def evidence(self, row: int) -> dict[str, dict[str, object]]:
        """What is known of a row, by outcome."""
        return {name: scores.evidence(row) for name, scores in self.outcomes.items()}
