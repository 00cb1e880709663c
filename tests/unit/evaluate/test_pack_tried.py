"""A pack tried out on invented events: what each candidate costs, and which are not fit."""

from __future__ import annotations

from itertools import count

import pytest

from support.probe import FURTHER_MODELS, probe_pack
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.pack_checks import try_pack
from ubi_stream.packs.loader import load_pack, shipped_packs


@pytest.mark.parametrize("name", list(shipped_packs()))
def test_candidates_of_shipped_packs_are_fit_and_small(name: str) -> None:
    ticks = count()
    tried = list(try_pack(load_pack(name), cpu_s=lambda: float(next(ticks))))
    assert [one.candidate.name for one in tried][:1] == ["line"]
    for one in tried:
        assert one.vetted.problems == ()
        assert one.us_per_event == pytest.approx(1e6 / 200 * 1.3)  # a clock that ticks once when asked
        assert one.vetted.snapshot_bytes < 20_000


def test_a_model_that_cant_be_made_is_an_error() -> None:
    with pytest.raises(ConfigError, match="doesn't take parameters"):
        list(try_pack(probe_pack(('kind = "blend"', 'kind = "blend"\nparameters = { wings = 2 }'))))


def test_models_for_the_other_tasks_are_tried_as_they_run() -> None:
    ticks = count()
    pack = probe_pack(("[models.change]", f"[models.drift]\n{FURTHER_MODELS}\n[models.change]"))
    tried = {one.candidate.name: one for one in try_pack(pack, cpu_s=lambda: float(next(ticks)))}
    assert [problem for one in tried.values() for problem in one.vetted.problems] == []
    assert tried["trees_of_river"].us_per_event == pytest.approx(1e6 / 200 * 1.5)  # it learns half of what it scores
    assert tried["steps"].us_per_event == pytest.approx(1e6 / 200)  # for a value
    assert tried["autoregression"].us_per_event == pytest.approx(1e6)  # for a user's forecast
