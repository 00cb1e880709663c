"""Packs that extend others: what is merged, what is replaced, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.probe import PROBE_TOML
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import load_pack, shipped_overlays, shipped_packs
from ubi_stream.packs.overlay import overlaid
from ubi_stream.packs.texts import Texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "probe.toml").write_text(PROBE_TOML)
    return tmp_path


def extended(folder: Path, text: str, base: str = "probe.toml") -> Any:
    path = folder / "own.toml"
    path.write_text(f'extends = "{base}"\n{text}')
    return load_pack(str(path))


class TestMerging:
    def test_tables_are_merged_and_other_values_replaced(self) -> None:
        base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
        assert overlaid(base, {"a": {"c": [3]}, "d": 2, "e": 3}) == {"a": {"b": 1, "c": [3]}, "d": 2, "e": 3}
        assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1}

    def test_lists_of_tables_are_merged_by_name_and_new_ones_come_behind(self) -> None:
        base = {"rules": [{"name": "a", "x": 1}, {"name": "b", "x": 2}]}
        changes = {"rules": [{"name": "c", "x": 3}, {"name": "b", "y": 4}]}
        assert overlaid(base, changes)["rules"] == [
            {"name": "a", "x": 1},
            {"name": "b", "x": 2, "y": 4},
            {"name": "c", "x": 3},
        ]

    def test_tables_without_names_are_replaced_as_a_whole(self) -> None:
        assert overlaid({"when": [{"feature": "a"}]}, {"when": [{"feature": "b"}]}) == {"when": [{"feature": "b"}]}


class TestFiles:
    def test_what_is_not_said_is_the_bases(self, folder: Path) -> None:
        pack = extended(folder, '[[rules]]\nname = "slow"\ncool_down_min = 5\n[texts]\nyes = "aye"\n')
        base = load_pack(str(folder / "probe.toml"))
        assert [rule.cool_down_min for rule in pack.rules] == [5, 0]
        assert pack.texts.yes == "aye"
        assert pack.model_copy(update={"rules": base.rules, "texts": base.texts}) == base

    def test_a_shipped_pack_is_extended_by_its_name(self, folder: Path) -> None:
        pack = extended(folder, "[models.anomaly]\nalert_rate = 0.01\n", base="ecommerce")
        assert pack.models.anomaly is not None
        assert (pack.name, pack.models.anomaly.alert_rate) == ("ecommerce", 0.01)

    def test_one_that_extends_another_may_be_extended(self, folder: Path) -> None:
        extended(folder, "version = 2\n")
        (folder / "further.toml").write_text('extends = "own.toml"\n[texts]\nno = "nay"\n')
        pack = load_pack(str(folder / "further.toml"))
        assert (pack.version, pack.texts.no) == (2, "nay")

    def test_a_circle_is_refused(self, folder: Path) -> None:
        (folder / "probe.toml").write_text('extends = "own.toml"\n')
        with pytest.raises(ConfigError, match=r"own\.toml extends itself: .* extends .*probe\.toml"):
            extended(folder, "")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[[segments]]\nname = "byer"\nseverity = "low"\n', "for everybody else|would never be reached"),
            (
                '[texts]\nsegment_before = "{length} minutes"\n',
                r"texts.segment_before.*no place \{length\}; there are: \{segment\}, \{before\}",
            ),
        ],
    )
    def test_the_whole_is_checked(self, folder: Path, text: str, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            extended(folder, text)

    def test_what_is_extended_must_be_there_and_a_name(self, folder: Path) -> None:
        with pytest.raises(ConfigError, match=r"no pack 'nowhere\.toml'"):
            extended(folder, "", base="nowhere.toml")
        (folder / "wrong.toml").write_text("extends = 1\n")
        with pytest.raises(ConfigError, match="extends = 1: expected a pack's name or path"):
            load_pack(str(folder / "wrong.toml"))


def _is_sentences(key: str, value: Any) -> bool:
    """Whether it is the recommendations of a visit class; those of a segment are tables."""
    return key == "recommendations" and value is not None and all(isinstance(one, str) for one in value)


@pytest.mark.parametrize("name", sorted(shipped_overlays()))
def test_a_shipped_overlay_leaves_everything_but_words_as_it_is(name: str) -> None:
    overlay, base = load_pack(name), load_pack(name.partition(".")[0])
    assert base.name in shipped_packs()

    def without_words(pack: Any) -> Any:
        if isinstance(pack, dict):
            return {
                key: without_words(value)
                for key, value in pack.items()
                if key not in ("texts", "text", "summary", "together", "description") and not _is_sentences(key, value)
            }
        return [without_words(part) for part in pack] if isinstance(pack, list | tuple) else pack

    assert without_words(overlay.model_dump()) == without_words(base.model_dump())


class TestGerman:
    pack = load_pack("ecommerce.de")

    def test_every_sentence_is_translated(self) -> None:
        english = load_pack("ecommerce")
        pairs = {
            f"{kind} {one.name}": (getattr(one, attribute), getattr(other, attribute))
            for kind, ones, others, attribute in (("rule", self.pack.rules, english.rules, "summary"),)
            for one, other in zip(ones, others, strict=True)
        }
        for one, other in zip(self.pack.segments, english.segments, strict=True):
            for local, theirs in zip(one.advice, other.advice, strict=True):
                pairs[local.action] = (local.text, theirs.text)
        for here, there in zip(self.pack.visit_classes, english.visit_classes, strict=True):
            for number, texts in enumerate(zip(here.recommendations, there.recommendations, strict=True)):
                pairs[f"{here.name} {number}"] = texts
        assert not [name for name, (local, theirs) in pairs.items() if local == theirs]

    def test_every_text_and_name_is_translated(self) -> None:
        same_in_both = {"because", "feature", "feature_threshold", "separator"}
        defaults, local = Texts().model_dump(), self.pack.texts.model_dump()
        assert {name for name in defaults if local[name] == defaults[name]} <= same_in_both
        of_rules = {name for rule in self.pack.rules for name in rule.features}
        assert set(local["features"]) == {*self.pack.entities[0].features, *of_rules}
        assert set(local["segments"]) == {segment.name for segment in self.pack.segments}
