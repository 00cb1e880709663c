"""The benchmark of forecasts and bandits: its page has all its tables, and bandits lose less than chance does."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import advice
from support.public_data import public_file
from ubi_stream.models.bandit import POLICIES


def test_the_page_has_a_line_for_each_figure_and_each_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = public_file(advice.FILE).parent
    monkeypatch.setattr(advice, "ROUNDS", 30)
    monkeypatch.setattr(advice, "SEEDS", (1,))
    monkeypatch.setattr(advice, "daily_sums", lambda *_, **__: [[20.0, 35.0, 15.0, 30.0] * 11] * 3)
    advice.main(["--data", str(folder), "--out", str(tmp_path / "page.md")])
    page = (tmp_path / "page.md").read_text()
    assert "| customers, origins, too few days | 3, 6, 0 | 3, 6, 0 |" in page
    assert all(page.count(f"| {policy} |") == len(advice.WORLDS) for policy in POLICIES)
    assert page.rstrip().endswith("|")


def test_the_committed_page_is_of_this_program() -> None:
    page = Path(advice.__file__).with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"| {world} | {policy} |" in page for world in advice.WORLDS for policy in POLICIES)
    assert f"{advice.ROUNDS:,} choices" in page


def test_a_bandit_that_looks_at_the_user_loses_less_than_chance() -> None:
    lost, by_chance, _ = advice.regret("LinUCBDisjoint", advice.WORLDS["the best arm depends on the user"], seed=9)
    assert lost < 0.35 * by_chance
