"""The page about models: every kind is on it, and the model of twenty lines is one that may run."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ubi_stream.models import registry
from ubi_stream.models.model_checks import check_model
from ubi_stream.models.outcomes.quality import RollingQuality
from ubi_stream.models.registry import Recipe, kinds

DOCUMENT = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_every_kind_and_every_metric_is_on_the_page() -> None:
    for name in (*kinds(), *(RollingQuality().as_dict()["window"].keys() - {"n", "positives", "f1"})):
        assert f"`{name}`" in DOCUMENT, name


def test_the_model_of_twenty_lines_is_fit_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(code.strip().splitlines()) <= 20
    names: dict[str, Any] = {}
    exec(compile(code, "docs/models.md", "exec"), names)
    monkeypatch.setattr(registry, "_of_extension", lambda kind: names["BaseRate"])
    rows = np.random.default_rng(0).random((200, 2))
    ticks = count()
    recipe = Recipe("base_rate", ("a", "b"), {"prior": 2.0})
    vetted = check_model(recipe, rows, (rows[:, 0] > 0.5).tolist(), cpu_s=lambda: float(next(ticks)))
    assert vetted.problems == ()
