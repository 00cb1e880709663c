"""Candidates of a pack: what is refused, and which run."""

from __future__ import annotations

import pytest

from support.probe import probe_pack
from ubi_stream.errors import ConfigError
from ubi_stream.packs.candidates import running

BLEND = 'kind = "blend"\n'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((('outcome = "comes_back"', 'outcome = "rains"'),), "candidate 'blend' predicts 'rains', which is no outcome"),
        (((BLEND, f'{BLEND}features = ["luck"]\n'),), "candidate 'blend' looks at 'luck'"),
        (((BLEND, f'{BLEND}task = "poetry"\n'),), r"models.candidates.2.task = 'poetry'"),
        (((BLEND, f"{BLEND}share = 0\n"),), "models.candidates.2.share = 0"),
        ((("budget_us = 1000", "budget_us = 100"),), "cost up to 180 µs an event together, more than budget_us = 100"),
        ((('name = "bayes"', 'name = "line"'),), "'line' is listed twice for 'buys_in_visit'"),
    ],
    ids=["outcome", "feature", "task", "share", "budget", "twins"],
)
def test_what_cant_run_is_refused_with_what_was_expected(changes: tuple[tuple[str, str], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        probe_pack(*changes)


def test_the_dearest_counts_as_if_it_served() -> None:
    # buys_in_visit: line 60, bayes 60 at a half, which may serve one day; comes_back: blend 60
    assert probe_pack(("budget_us = 1000", "budget_us = 180")).models.budget_us == 180
    with pytest.raises(ConfigError, match="180 µs"):
        probe_pack(("budget_us = 1000", "budget_us = 179"))


def test_the_costly_tier_runs_when_it_is_asked_for_alone() -> None:
    costly = (BLEND, f'{BLEND}tier = "costly"\nbudget_us = 5000\n')
    models = probe_pack(costly).models
    assert running(models.candidates, "comes_back", costly=models.costly) == []
    models = probe_pack(costly, ("budget_us = 1000", "costly = true")).models
    assert [c.name for c in running(models.candidates, "comes_back", costly=models.costly)] == ["blend"]
