"""docs/feedback.md speaks of the formula, the bounds and the statuses that are in force."""

from __future__ import annotations

import re
from pathlib import Path

from ubi_stream.events.limits import MAX_WEIGHT
from ubi_stream.models.feedback.labels import LabelStatus
from ubi_stream.models.feedback.thresholds import (
    BEYOND,
    OWN_HALF_LIFE_MS,
    OWN_LEAST,
    OWN_MOST,
    PEERS_HALF_LIFE,
    PEERS_MOST,
    PEERS_STEP,
    STEP,
    faded,
    moved,
)
from ubi_stream.state.history import MAX_DELIVERED
from ubi_stream.state.panes import DAY_MS

DOCUMENT = (
    (Path(__file__).parents[2] / "docs" / "feedback.md").read_text(encoding="utf-8").replace("\N{MINUS SIGN}", "-")
)


def test_the_formula_has_the_constants_in_force() -> None:
    assert f"own + a · max(0, {BEYOND:g} · max(0, Δ) - own) + {STEP:g} · w" in DOCUMENT
    assert f"own - a · max(0, own - Δ) - {STEP:g} · w" in DOCUMENT
    assert f"peers + {PEERS_STEP:g} · w" in DOCUMENT
    assert f"`own` stays within {OWN_LEAST:g} and {OWN_MOST:g}, `peers` within ±{PEERS_MOST:g}" in DOCUMENT
    assert f"`own` halves in {OWN_HALF_LIFE_MS // DAY_MS} days" in DOCUMENT
    assert f"`peers` with every {PEERS_HALF_LIFE:,} events" in DOCUMENT
    assert f"above 0 and up to {MAX_WEIGHT}" in DOCUMENT
    assert MAX_DELIVERED == 8, "the document speaks of the newest eight"


def test_the_figure_is_the_formula() -> None:
    own = moved(0.0, 2.0, positive=False, weight=1.0)
    drawn = [float(figure) for figure in re.findall(r"^(\d\.\d\d) ┤", DOCUMENT, re.MULTILINE)]
    days = [0, 14, 30, 60]
    for figure, day in zip(drawn, days, strict=True):
        assert abs(faded(own, day * DAY_MS, OWN_HALF_LIFE_MS) - figure) < 0.015


def test_every_status_has_a_line_and_no_other() -> None:
    section = DOCUMENT.split("| status | when |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(LabelStatus)
