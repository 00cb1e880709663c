"""Answers that come a horizon late: predictions are as high as what happens, from the first one that is given."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from support.folding import make_partition
from support.probe import START_MS, event, record
from ubi_stream.evaluate.metrics import roc_auc
from ubi_stream.features.stage import Featurized
from ubi_stream.models.outcomes.predictions import Predictions
from ubi_stream.models.outcomes.stage import Outcomes
from ubi_stream.packs.loader import load_pack

DAY_MS = 86_400_000
OUTCOME = "returns_within_week"
DAYS, USERS_A_DAY = 42, 25
LOYAL, OTHERS = 0.85, 0.35


def population(seed: int, *, tells: bool) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Events of users of whom a constant share returns within a week, and by event whether the user does.

    Users who return mostly do so soon, so that a yes comes days before a no. Where `tells`, loyal users have long
    visits and others have short ones; else all return with the same probability.
    """
    rng = random.Random(seed)
    events: list[tuple[int, str, str, str]] = []
    returns: dict[str, bool] = {}
    for user in range(DAYS * USERS_A_DAY):
        is_loyal = rng.random() < 0.5
        rate = (LOYAL if is_loyal else OTHERS) if tells else (LOYAL + OTHERS) / 2
        at_ms, visit, comes = START_MS + int(rng.uniform(0, DAYS) * DAY_MS), 0, True
        while comes and at_ms < START_MS + DAYS * DAY_MS:
            comes = rng.random() < rate
            steps = rng.randint(3, 5) if tells and is_loyal else rng.randint(1, 3)
            for step in range(steps):
                name = f"{user}/{visit}/{step}"
                events.append((at_ms + step * 40_000, f"u{user}", name, f"{user}/{visit}"))
                returns[name] = comes
            visit += 1
            at_ms += 3_600_000 + int(6.9 * DAY_MS * rng.random() ** 2)
    made = [event(user, at, "view", event_id=name, session_id=s) for at, user, name, s in sorted(events)]
    return made, returns


def predicted(events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> dict[int, list[tuple[str, float]]]:
    """By week, what the shipped pack predicts at each event; without those at which it abstains."""
    given: dict[int, list[tuple[str, float]]] = defaultdict(list)
    real = Outcomes.run

    def listen(self: Outcomes, batch: Featurized, first_new: int, peers_at: Any) -> Predictions:
        found = real(self, batch, first_new, peers_at)
        for change, row in zip(batch.changes, batch.rows, strict=True):
            if row >= 0 and not np.isnan(p := found.outcomes[OUTCOME].delivered[row]):
                given[(change.at_ms - START_MS) // (7 * DAY_MS)].append((change.cause_id, float(p)))
        return found

    monkeypatch.setattr(Outcomes, "run", listen)
    records = [record(content, offset) for offset, content in enumerate(events)]
    partition = make_partition(load_pack("ecommerce"))
    for first in range(0, len(records), 500):
        partition.pipeline.run(records[first : first + 500], forwarded=False)
    return given


@pytest.mark.parametrize("seed", [1, 2])
def test_where_nothing_changes_predictions_are_flat_and_right(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events, _ = population(seed, tells=False)
    weeks = predicted(events, monkeypatch)
    assert min(weeks) == 1  # no horizon is over in the first week
    assert len(weeks) >= 5
    for week, given in weeks.items():
        probabilities = np.array([probability for _, probability in given])
        # The first ones are the share among a hundred labels: it has an error of a twentieth.
        assert probabilities.mean() == pytest.approx((LOYAL + OTHERS) / 2, abs=0.1 if week == 1 else 0.06)
        assert probabilities.std() < 0.05


def test_where_users_differ_predictions_tell_them_apart_and_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    events, returns = population(3, tells=True)
    weeks = predicted(events, monkeypatch)
    for week, given in weeks.items():
        if week < 3:
            continue  # the models' own predictions have not been judged yet: it is the share of all
        probabilities = np.array([probability for _, probability in given])
        truth = np.array([returns[name] for name, _ in given])
        assert probabilities.mean() == pytest.approx(truth.mean(), abs=0.06)
        assert (roc_auc(probabilities, truth) or 0.0) > 0.57
