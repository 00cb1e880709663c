"""A wrong pack is refused at start, and the message names key, value and expectation."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.probe import PROBE_TOML, probe_pack
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import load_pack, parse_pack, shipped_packs

WRONG: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "no TOML": ('name = "probe"', "name = ", ("is not TOML", "line 2")),
    "name": ('name = "probe"', 'name = "My Pack"', ("name = 'My Pack'", "pattern")),
    "version": ("version = 1", "version = 0", ("version = 0", "greater than or equal to 1")),
    "no description": (
        'description = "Ses',
        'descriptoin = "Ses',
        ("description", "required", "descriptoin", "no such key"),
    ),
    "type twice": ('"cart", "purchase"]\nunknown', '"cart", "view"]\nunknown', ("types", "'view'", "twice")),
    "reserved type": (
        '["view", "cart", "purchase"]\nunknown',
        '["view", "cart", "purchase", "$label"]\nunknown',
        ("'$label'", "reserved"),
    ),
    "no types": (
        'types = ["view", "cart", "purchase"]\nunknown',
        "types = []\nunknown",
        ("events.types", "at least 1"),
    ),
    "unknown": (
        'unknown = "dead_letter"',
        'unknown = "ignore"',
        ("events.unknown = 'ignore'", "'dead_letter', 'drop' or 'keep'"),
    ),
    "role of an unknown type": (
        'amount_types = ["purchase"]',
        'amount_types = ["buy"]',
        ("roles.amount_types", "'buy'"),
    ),
    "negative time": (
        "lateness_min = 2",
        "lateness_min = -2",
        ("times.lateness_min = -2", "greater than or equal to 0"),
    ),
    "no number": ("lateness_min = 2", "lateness_min = nan", ("times.lateness_min = nan", "finite")),
    "dormant before the session's end": (
        "dormant_after_days = 0.25",
        "dormant_after_days = 0.005",
        ("session_gap_min = 10 min", "dormant_after_days = 0.005 d", "longer than the one before"),
    ),
    "forgotten before dormant": (
        "dormant_after_days = 0.25",
        "dormant_after_days = 1",
        ("retention_days = 1 d", "longer"),
    ),
    "ids longer than the entity": (
        "dedup_window_h = 24",
        "dedup_window_h = 25",
        ("dedup_window_h = 25 h", "retention_days = 1 d"),
    ),
    "first entity": ('name = "user"', 'name = "customer"', ("entities", "first must be named 'user'")),
    "entity without a key": ('key = "shop_id"\n', "", ("entities", "'shop' needs a key")),
    "entity twice": ('name = "shop"', 'name = "user"', ("entities", "'user'", "twice")),
    "entity of an unknown type": (
        'types = ["purchase", "$label"]',
        'types = ["buy"]',
        ("'shop'", "'buy'", "events.types"),
    ),
    "user of few types": ('windows = "paned"', 'windows = "paned"\ntypes = ["view"]', ("'user' lists no types",)),
    "feature twice": (
        '"events_5m", "events_1h", "events_24h"',
        '"events_5m", "events_5m"',
        ("features", "'events_5m'", "twice"),
    ),
    "anomaly feature not listed": (
        '["events_1h", "last_amount"',
        '["events_7d", "last_amount"',
        ("anomaly_features", "'events_7d'", "not among"),
    ),
    "segment's feature": (
        'feature = "amount_24h"',
        'feature = "amount_1d"',
        ("segment 'buyer'", "'amount_1d'", "does not list"),
    ),
    "operator": ('op = ">", value = 20', 'op = "=>", value = 20', ("segments.1.when.0.op = '=>'", "'>', '>='")),
    "segment for everybody in the middle": (
        'when = [{ feature = "session_depth", op = ">=", value = 3 }]\n',
        "",
        ("segment 'browser' has no conditions", "never be reached"),
    ),
    "no segment for everybody": (
        'name = "passer_by"',
        'name = "passer_by"\nwhen = [{ feature = "events_5m", op = ">", value = 1 }]',
        ("segments", "the last must have no conditions"),
    ),
    "label like a person's": ('outcome = "bad"', 'outcome = "label"', ("outcome = 'label'", "a person's label")),
    "segment twice": ('name = "passer_by"', 'name = "buyer"', ("segments", "'buyer'", "twice")),
    "silent twice": ('name = "browser"', 'name = "browser"\nsilent = true', ("'browser' is silent", "must be empty")),
    "priority": ("priority = 3", "priority = 9", ("segments.0.recommendation.priority = 9", "less than or equal to 5")),
    "rule twice": ('name = "deep"', 'name = "slow"', ("rules", "'slow'", "twice")),
    "two ways of one name": (
        'name = "slow"',
        'name = "slow"\nany_of = [{ name = "a", when = [] }, { name = "a", when = [] }]',
        ("rules.0.any_of.0.when", "at least 1"),
    ),
    "zone": ('unknown = "dead_letter"', 'default_timezone = "Europe/Bärlin"', ("events.default_timezone", "IANA name")),
    "currency": ('unknown = "dead_letter"', 'currency = "Euro"', ("events.currency = 'Euro'",)),
    "rule without conditions": (
        'when = [{ feature = "last_latency_ms", op = ">", value = 2000 }]',
        "when = []",
        ("rule 'slow' has no conditions", "`any_of`"),
    ),
    "sentence of an unknown feature": (
        "{last_latency_ms:.0f} ms",
        "{latency:.0f} ms",
        ("rule 'slow'", "{latency}", "none of its conditions"),
    ),
    "sentence with a wrong format": (
        "{last_latency_ms:.0f} ms",
        "{last_latency_ms:d} ms",
        ("rule 'slow'", "can't be filled in", "'d'"),
    ),
    "sentence with a place but no name": ("{last_latency_ms:.0f} ms", "{} ms", ("rule 'slow'", "can't be filled in")),
    "sentence with an open brace": (
        "{last_latency_ms:.0f} ms",
        "{last_latency_ms ms",
        ("rule 'slow'", "can't be filled in"),
    ),
    "sentence with an attribute": (
        "{last_latency_ms:.0f} ms",
        "{last_latency_ms.name} ms",
        ("rule 'slow'", "can't be filled in"),
    ),
    "severity": (
        'severity = "high"',
        'severity = "worst"',
        ("rules.0.severity = 'worst'", "'info', 'low', 'medium' or 'high'"),
    ),
    "trees": ("trees = 5", "trees = 500", ("models.anomaly.trees = 500", "less than or equal to 100")),
    "unknown model": ("[models.change]", "[models.changes]", ("models.changes", "no such key")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_pack_is_refused_with_key_value_and_expectation(name: str) -> None:
    old, new, delivered = WRONG[name]
    assert old in PROBE_TOML, name
    with pytest.raises(ConfigError) as refusal:
        parse_pack(PROBE_TOML.replace(old, new, 1), where="my.toml")
    message = str(refusal.value)
    assert "my.toml" in message
    for part in delivered:
        assert part in message
    assert len(message) < 1000


def test_a_second_silent_segment_is_refused() -> None:
    browser = 'name = "browser"\nhold_h = 0\n'
    condition = 'when = [{ feature = "session_depth", op = ">=", value = 3 }]'
    text = PROBE_TOML.replace(browser + condition, browser + "silent = true")
    with pytest.raises(ConfigError, match="more than one is silent"):
        parse_pack(text, where="my.toml")


def test_the_probe_itself_is_right() -> None:
    assert probe_pack().name == "probe"


def test_a_pack_without_segments_rules_and_models_is_right() -> None:
    text = """
name = "least"
version = 1
description = "The least that a pack can be"
events = { types = ["seen"] }
entities = [{ name = "user", features = ["events_1h"] }]
"""
    pack = parse_pack(text, where="least")
    assert (pack.segments, pack.rules, pack.models.anomaly) == ((), (), None)


def test_a_pack_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no pack 'shop': shipped are ecommerce, payments"):
        load_pack("shop")
    with pytest.raises(ConfigError, match=r"or give a file's path \(shops/mine\.toml: No such file or directory\)"):
        load_pack("shops/mine.toml")


def test_a_pack_in_another_encoding_is_told_as_that(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes('description = "Auff\u00e4llig"'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"mine\.toml is not UTF-8: .* byte 0xe4 in position 19"):
        load_pack(str(path))


def test_a_pack_is_loaded_by_name_or_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PROBE_TOML, encoding="utf-8")
    assert load_pack(str(path)).name == "probe"
    assert {load_pack(name).name for name in shipped_packs()} == set(shipped_packs())
