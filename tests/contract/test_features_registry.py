"""Every feature is documented, and every pack's features exist."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from support.probe import probe_pack
from tools.features_page import features_page
from ubi_stream.errors import ConfigError
from ubi_stream.features import registry
from ubi_stream.features.registry import Feature, add_feature, all_features, feature, select_features
from ubi_stream.features.stage import Featurizer
from ubi_stream.packs.loader import load_pack, shipped_packs
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.state.model import UserState

ROOT = Path(__file__).parents[2]


def constant(_state: UserState, _at_ms: int, _plan: Plan) -> float:
    return 1.0


@pytest.mark.parametrize("name", sorted(all_features()))
def test_a_feature_says_what_it_means(name: str) -> None:
    found = all_features()[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name)
    assert found.unit
    assert len(found.meaning) > 10
    assert found.low < found.high
    assert found.scale == "linear" or found.low >= 0


def test_the_page_is_what_the_registry_says() -> None:
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == features_page(), "run: python -m tools.features_page > docs/features.md"
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(all_features())


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_a_shipped_packs_features_exist_and_have_something_to_count(name: str) -> None:
    pack = load_pack(name)
    for entity in pack.entities:
        assert Featurizer(compile_plan(pack, entity.name)).names == entity.features


def test_the_shop_has_at_least_sixteen() -> None:
    assert len(load_pack("ecommerce").entities[0].features) >= 16


def test_an_unknown_feature_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no feature 'events_2h'; there are: .*events_1h"):
        select_features(("events_1h", "events_2h"), "paned")


@pytest.mark.parametrize(("name", "windows"), [("events_1h", "exact"), ("exact_count_1d", "paned")])
def test_a_feature_that_would_always_be_empty_is_refused(name: str, windows: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' have nothing to count with windows = '{windows}'"):
        select_features((name,), windows)  # type: ignore[arg-type]  # one of the two kinds


def test_features_come_in_the_packs_order() -> None:
    names = probe_pack().entities[0].features
    assert tuple(found.name for found in select_features(names, "paned")) == names


@pytest.mark.usefixtures("own_registry")
class TestRegistration:
    def test_an_own_feature_is_one_among_all(self) -> None:
        feature("mine", unit="things", high=5, meaning="Things that are mine")(constant)
        assert all_features()["mine"].extract is constant

    def test_a_name_is_taken_once(self) -> None:
        feature("mine", unit="things", high=5, meaning="Things that are mine")(constant)
        feature("mine", unit="things", high=5, meaning="Things that are mine")(constant)  # imported twice is no harm
        with pytest.raises(ValueError, match="'mine' is registered twice"):
            feature("mine", unit="things", high=6, meaning="Other things")(constant)

    @pytest.mark.parametrize(("low", "high", "scale"), [(5, 5, "linear"), (6, 5, "linear"), (-1, 5, "log")])
    def test_an_empty_range_is_refused(self, low: float, high: float, scale: str) -> None:
        with pytest.raises(ValueError, match="'mine'"):
            add_feature(Feature("mine", "things", low, high, "Things", constant, scale))  # type: ignore[arg-type]  # either

    def test_an_installed_extension_registers_its_features(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "my_features.py").write_text(
            "from ubi_stream.features.registry import feature\n"
            "@feature('installed', unit='things', high=5, meaning='Things from elsewhere')\n"
            "def installed(state, at_ms, plan):\n"
            "    return 2.0\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        point = EntryPoint("mine", "my_features", "ubi_stream.features")
        monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
        assert all_features()["installed"].extract(UserState(), 0, compile_plan(probe_pack(), "user")) == 2.0
