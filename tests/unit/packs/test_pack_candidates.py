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


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ('task = "anomaly"\nkind = "anomaly.LODA"\noutcome = "bad"', "takes no outcome"),
        ('task = "anomaly"\nkind = "anomaly.LODA"\nfeatures = ["session_intents"]', "anomaly features don't list"),
        ('task = "change"\nkind = "drift.ADWIN"', r"needs \[models.drift\]"),
        ('task = "change"\nkind = "drift.ADWIN"\noutcome = "bad"\nfeatures = ["events_1h"]', "takes no features here"),
        ('task = "change"\nkind = "drift.ADWIN"\nshare = 0.5', "takes no share"),
        ('task = "forecast"\nkind = "time_series.SNARIMAX"', r"needs \[models.forecast\]"),
        ('kind = "line"', "needs outcome"),
    ],
)
def test_keys_that_dont_belong_to_the_task_are_refused(candidate: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        probe_pack(("[models.change]", f'[[models.candidates]]\nname = "more"\n{candidate}\n\n[models.change]'))


def test_names_of_what_always_runs_are_taken() -> None:
    custom_detector = (
        '[[models.candidates]]\ntask = "anomaly"\nname = "crowd"\nkind = "anomaly.LODA"\n\n[models.change]'
    )
    with pytest.raises(ConfigError, match="one that always runs has that name"):
        probe_pack(("[models.change]", custom_detector))


def test_a_voice_counts_whole_in_the_budget_because_it_scores_every_event() -> None:
    custom_detector = (
        '[[models.candidates]]\ntask = "anomaly"\nname = "svm"\nkind = "anomaly.OneClassSVM"\nshare = 0.1\n'
    )
    more = ("[models.change]", f"{custom_detector}budget_us = 20\n\n[models.change]")
    assert probe_pack(more, ("budget_us = 1000", "budget_us = 200")).models.budget_us == 200
    with pytest.raises(ConfigError, match="200 µs"):
        probe_pack(more, ("budget_us = 1000", "budget_us = 199"))
