"""The public door: what it promises is there; documented programs import it, or the tracking of `contrib`, alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.folding import PLAN, fold_all
from support.probe import DAY_MS, HOUR_MS, START_MS, event
from ubi_stream import extend

ROOT = Path(__file__).parents[2]
PYTHON_OF_PAGES = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
]
PROMISED = {
    "MISSING",
    "EntityState",
    "ManyRowsDetector",
    "PackPlan",
    "RowDetector",
    "RowModel",
    "CurrentVisit",
    "PastVisits",
    "Window",
    "amount_in",
    "events_in",
    "feature",
}
"""A name may be added. One that goes is deprecated for a minor version first."""


def test_no_promised_name_went() -> None:
    assert set(extend.__all__) >= PROMISED


@pytest.mark.parametrize("code", PYTHON_OF_PAGES)
def test_documented_programs_import_the_public_doors_alone(code: str) -> None:
    names = re.findall(r"^\s*(?:>>> )?(?:from|import) (ubi_stream[\w.]*)", code, re.MULTILINE)
    assert [name for name in names if not re.fullmatch(r"ubi_stream\.(extend|contrib(\.\w+)?)", name)] == []


def test_there_are_documented_programs() -> None:
    assert any("ubi_stream.extend" in str(page.values[0]) for page in PYTHON_OF_PAGES)


def test_states_and_plans_have_what_is_promised() -> None:
    state: extend.EntityState = fold_all(event("u", START_MS), event("u", START_MS + 1000))  # mypy checks the types
    plan: extend.PackPlan = PLAN
    visit: extend.CurrentVisit = state.session
    totals: extend.PastVisits = state.visits
    for value, protocol in [
        (state, extend.EntityState),
        (plan, extend.PackPlan),
        (visit, extend.CurrentVisit),
        (totals, extend.PastVisits),
    ]:
        members = [name for name, member in vars(protocol).items() if isinstance(member, property)]
        assert members
        assert [name for name in members if not hasattr(value, name)] == []


def test_windows_are_counted_by_type_and_reach_back_as_far_as_they_say() -> None:
    hours = [(0, "view"), (24 * 10, "view"), (24 * 19, "purchase"), (24 * 20 - 2, "cart"), (24 * 20, "view")]
    state = fold_all(*(event("u", START_MS + hour * HOUR_MS, kind, price=5.0) for hour, kind in hours))
    assert state.last_ms - state.first_ms == 20 * DAY_MS
    windows: list[extend.Window] = ["1h", "24h", "7d", "30d"]
    assert [extend.events_in(state, window) for window in windows] == [1, 2, 3, 5]
    assert [extend.events_in(state, window, PLAN.interests) for window in windows] == [1, 1, 1, 3]
    assert [extend.amount_in(state, window) for window in windows] == [0.0, 0.0, 5.0, 5.0]
