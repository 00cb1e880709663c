"""A model that has become worse is told once."""

from __future__ import annotations

import numpy as np

from ubi_stream.models.drift.losses import Worsened
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.models.registry import Recipe

NAMES = ("depth",)


def learned(panel: OutcomePanel, n: int, *, turned: bool, seed: int) -> list[Worsened]:
    """Those with depth above a half say yes; or, turned, the others."""
    rng = np.random.default_rng(seed)
    worse = []
    for number in range(n):
        row = rng.random(1)
        pending = 10_000 * seed + number
        asked = panel.ask(row[np.newaxis], [pending])[0]
        panel.learn(row, bool(row[0] > 0.5) != turned, asked=asked, pending=pending)
        worse.extend(panel.take_worsened(switched=False))
    return worse


def test_a_panel_says_when_its_predictions_have_become_worse() -> None:
    panel = OutcomePanel("buys", [Candidate("line", Recipe("line", NAMES), NAMES, min_labels=50)])
    assert learned(panel, 1_500, turned=False, seed=1) == []
    first = learned(panel, 300, turned=True, seed=2)[0]
    assert first.after > first.before + 0.1
    assert panel.take_worsened(switched=False) == []
