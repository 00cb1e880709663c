"""`ubi pack`: list, show, check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from ubi_stream.packs.loader import load_pack, shipped_overlays, shipped_packs
from ubi_stream.resources import config_dir

Ubi = Callable[..., Result]


def changed_pack(tmp_path: Path, old: str, new: str) -> Path:
    """The shipped shop pack with one change."""
    text = (config_dir() / "packs" / "ecommerce.toml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "mine.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def test_list_names_every_shipped_pack(ubi: Ubi) -> None:
    result = ubi("pack", "list")
    assert result.exit_code == 0
    names = sorted({*shipped_packs(), *shipped_overlays()})
    assert {"ecommerce", "ecommerce.de", "payments"} <= set(names)
    for name in names:
        assert f"\n{name} " in result.stdout
    listed = json.loads(ubi("pack", "list", "--json").stdout)
    assert [pack["name"] for pack in listed] == names


@pytest.mark.parametrize("name", list(shipped_packs()))
def test_show_names_all_parts(ubi: Ubi, name: str) -> None:
    pack, shown = load_pack(name), ubi("pack", "show", name).stdout
    for part in [segment.name for segment in pack.segments] + [rule.name for rule in pack.rules]:
        assert f"\n{part} " in shown
    for entity in pack.entities:
        assert all(feature in shown for feature in entity.features)


def test_show_as_json_is_the_pack_itself(ubi: Ubi) -> None:
    shown = ubi("pack", "show", "payments", "--json")
    assert type(load_pack("payments")).model_validate_json(shown.stdout) == load_pack("payments")


def test_show_of_an_unknown_pack_says_which_there_are(ubi: Ubi) -> None:
    result = ubi("pack", "show", "casino")
    assert result.exit_code == 64
    assert "no pack 'casino'" in result.stderr
    assert "ecommerce" in result.stderr


@pytest.mark.parametrize("path", list(shipped_packs().values()), ids=lambda path: path.stem)
def test_check_accepts_shipped_packs(ubi: Ubi, path: Path) -> None:
    result = ubi("pack", "check", path)
    assert result.exit_code == 0, result.stderr
    assert "OK" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("session_gap_min = 30", "session_gap_min = -1", "times.session_gap_min = -1: Input should be greater than 0"),
        ("session_gap_min = 30", "session_gab_min = 30", "times.session_gab_min = 30"),
        ('"distinct_categories"', '"distinct_colours"', "no feature 'distinct_colours'"),
        ('feature = "known_days"', 'feature = "amount_of_luck"', "uses feature 'amount_of_luck'"),
        ('feature = "session_depth"', 'feature = "known_days"', "'known_days'; expected a figure of the visit alone"),
        ("[events]", "[events", "is not TOML"),
    ],
    ids=["value", "key", "feature", "condition of a segment", "condition of a visit", "syntax"],
)
def test_check_says_key_value_and_what_was_expected(
    ubi: Ubi, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    result = ubi("pack", "check", changed_pack(tmp_path, old, new))
    assert result.exit_code == 64
    assert expected in result.stderr
    assert "mine.toml" in result.stderr
    assert result.stdout == ""


def test_check_takes_names_and_says_which_there_are(ubi: Ubi) -> None:
    assert "OK: payments is a pack that a worker can run" in ubi("pack", "check", "payments").stderr
    result = ubi("pack", "check", "casino")
    assert result.exit_code == 64
    assert "shipped are ecommerce" in result.stderr


def test_check_measures_declared_features(ubi: Ubi, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "payments"\nname = "mine"\n'
        '[[features]]\nname = "paid_24h"\nkind = "sum"\nproperty = "amount"\nwindow = "24h"\n'
        '[[features]]\nname = "mean_24h"\nkind = "mean"\nproperty = "amount"\nwindow = "24h"\n'
        'entities = ["terminal"]\n',
        encoding="utf-8",
    )
    result = ubi("pack", "check", str(file))
    assert result.exit_code == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    measured = {line[1]: line for line in lines if line[:1] in (["user"], ["terminal"])}
    assert {name: line[0] for name, line in measured.items() if name != "together,"} == {
        "paid_24h": "user",
        "mean_24h": "terminal",
    }
    assert 100 < int(measured["paid_24h"][4]) < 1000
    assert float(measured["paid_24h"][5]) > 0
    assert "paid_24h" in ubi("pack", "show", str(file)).stdout
