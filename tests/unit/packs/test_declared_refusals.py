"""A declared feature that can't be counted is refused, and the message says what was expected."""

from __future__ import annotations

from typing import Any

import pytest

from support.probe import PROBE_TOML
from ubi_stream.errors import ConfigError
from ubi_stream.features.stage import Featurizer
from ubi_stream.packs.aggregations import compile_declared
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.packs.loader import parse_pack
from ubi_stream.packs.plan import compile_plan

WRONG: dict[str, tuple[str, str]] = {
    "no kind": ('window = "1h"', "kind: Field required"),
    "unknown kind": ('kind = "median"\nwindow = "1h"', "kind = 'median'"),
    "no window": ('kind = "count"', "window: Field required"),
    "unknown window": ('kind = "count"\nwindow = "2h"', "window = '2h'"),
    "sum of nothing": ('kind = "sum"\nwindow = "1h"', "kind 'sum' needs `property`"),
    "count of a property": ('kind = "count"\nproperty = "price"\nwindow = "1h"', "a condition goes in `where`"),
    "unknown type": (
        'kind = "count"\ntypes = ["buy"]\nwindow = "1h"',
        "names type 'buy', which is not among events.types",
    ),
    "unknown entity": ('kind = "count"\nentities = ["card"]\nwindow = "1h"', "names entity 'card'"),
    "weights of a count": ('kind = "count"\nweights = { view = 2 }\nwindow = "1h"', "has no `weights`"),
    "no weights": ('kind = "weighted_sum"\nwindow = "1h"', "needs `weights`"),
    "weight of another type": (
        'kind = "decayed_sum"\ntypes = ["view"]\nweights = { cart = 2 }\nwindow = "7d"',
        "weights name 'cart', which is not among its types",
    ),
    "decay over a visit": ('kind = "decayed_sum"\nwindow = "visit"', "window is the half-life"),
    "share of all": ('kind = "share"\nwindow = "1h"', "else it is always 1"),
    "of without a share": ('kind = "count"\nof = ["view"]\nwindow = "1h"', "`of` belongs to kind 'share'"),
    "share that is no part": (
        'kind = "share"\ntypes = ["cart"]\nof = ["view"]\nwindow = "1h"',
        "`of` lacks 'cart'",
    ),
    "text with an order": (
        'kind = "count"\nwhere = { property = "color", op = "<", value = "red" }\nwindow = "1h"',
        "only numbers have an order",
    ),
    "property read in two ways": (
        'kind = "distinct"\nproperty = "price"\nwindow = "1h"',
        "reads 'price' as a text, and a role as a number",
    ),
    "empty range": ('kind = "count"\nwindow = "1h"\nhigh = -1', "high = -1 is not more than low = 0"),
    "unknown key": ('kind = "count"\nwindow = "1h"\nfilter = 1', "there is no such key"),
}


def declared(text: str) -> str:
    """The probe's text with one declared feature."""
    return PROBE_TOML.replace("[[segments]]", f'[[features]]\nname = "mine"\n{text}\n\n[[segments]]', 1)


@pytest.mark.parametrize("case", WRONG)
def test_what_cant_be_counted_is_refused_with_what_was_expected(case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(ConfigError) as refused:
        parse_pack(declared(text), where="probe")
    assert message in str(refused.value)
    assert "mine" in str(refused.value) or "features.0" in str(refused.value)


def test_two_of_one_name_are_refused_unless_they_are_about_different_entities() -> None:
    twice = 'kind = "count"\nwindow = "1h"\n[[features]]\nname = "mine"\nkind = "count"\nwindow = "24h"'
    with pytest.raises(ConfigError, match="features of 'user': 'mine' listed twice"):
        parse_pack(declared(twice), where="probe")
    assert len(parse_pack(declared(twice + '\nentities = ["shop"]'), where="probe").features) == 2


def test_sixty_four_is_the_most() -> None:
    many = "".join(f'kind = "count"\nwindow = "1h"\n[[features]]\nname = "f{n}"\n' for n in range(64))
    with pytest.raises(ConfigError, match="at most 64"):
        parse_pack(declared(many + 'kind = "count"\nwindow = "1h"'), where="probe")


def test_the_name_of_a_registered_feature_is_taken() -> None:
    text = declared('kind = "count"\nwindow = "1h"').replace('"mine"', '"events_1h"')
    with pytest.raises(ConfigError, match="'events_1h' is the name of a feature of the product"):
        Featurizer(compile_plan(parse_pack(text, where="probe"), "user"))


def test_features_that_count_the_same_are_kept_once() -> None:
    kinds: tuple[dict[str, Any], ...] = (
        {"kind": "sum", "property": "price", "window": "1h"},
        {"kind": "mean", "property": "price", "window": "1h"},
        {"kind": "mean", "property": "price", "window": "24h"},
    )
    features = [DeclaredFeature.model_validate({"name": f"f{n}", **one}) for n, one in enumerate(kinds)]
    plan = compile_declared(features, "user", {"view": 0}, 32)
    assert plan is not None
    assert len(plan.keys) == 2
    assert len(plan.by_type[0]) == 2
