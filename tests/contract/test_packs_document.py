"""Every key of a pack is documented with its default, and what the document shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ubi_stream.features.stage import Featurizer
from ubi_stream.packs import (
    base,
    candidates,
    declared,
    entities,
    exchanges,
    models,
    outcomes,
    privacy,
    retention,
    roles,
    schema,
    segments,
    texts,
)
from ubi_stream.packs.loader import load_pack, parse_pack, shipped_packs
from ubi_stream.packs.plan import compile_plan
from ubi_stream.partition import Partition, PartitionSetup

DOCUMENT = (Path(__file__).parents[2] / "docs" / "packs.md").read_text(encoding="utf-8")

SECTIONS: dict[str, type[base.Model]] = {
    "`[events]`": schema.Events,
    "`[events.limits]`": schema.PropertyLimit,
    "`[events.roles]`": roles.Roles,
    "`[times]`": schema.Times,
    "`[[entities]]`": entities.Entity,
    "`[[features]]`": declared.DeclaredFeature,
    "`[[exchanges]]`": exchanges.Exchange,
    "`[[segments]]`": segments.Segment,
    "`[[rules]]`": segments.RiskRule,
    "`[[outcomes]]`": outcomes.Outcome,
    "`[models.anomaly]`": models.AnomalyModel,
    "`[models.anomaly.population]`": models.PopulationAlert,
    "`[models.drift]`": models.DriftModel,
    "`[models.change]`": models.ChangeModel,
    "`[models.forecast]`": models.ForecastModel,
    "`[models.bandit]`": models.BanditModel,
    "`[models]` and `[[models.candidates]]`": candidates.CandidateModel,
    "`[outputs]`": schema.Outputs,
    "`[retention]`": retention.Retention,
    "`[privacy]`": privacy.Privacy,
    "`[privacy.text]`": privacy.TextActions,
    "`[[privacy.sources]]`": privacy.SourceHiding,
}


def section(heading: str) -> str:
    found = re.search(rf"^##+ {re.escape(heading)}.*?\n(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading}"
    return found[1]


def rows(text: str) -> dict[str, str]:
    """Key and second cell of each line of a table."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_section_has_every_key_of_its_table_with_its_default(heading: str) -> None:
    model, documented = SECTIONS[heading], rows(section(heading))
    known = set(model.model_fields) - ({"roles", "limits"} if model is schema.Events else set())
    assert set(documented) == known
    for name in known:
        default = model.model_fields[name].default
        if isinstance(default, bool):
            assert f"`{str(default).lower()}`" in documented[name], name
        elif isinstance(default, str):
            assert f'"{default}"' in documented[name], name
        elif isinstance(default, int | float):
            assert re.search(rf"\b{default:g}\b", documented[name]), name


def test_the_top_level_and_the_small_tables_are_documented() -> None:
    tables = {"events", "times", "entities", "models", "outputs", "privacy", "retention"}
    assert set(rows(section("Top level"))) == set(schema.Pack.model_fields) - tables | {"extends"}
    for model in (segments.Condition, segments.Recommendation):
        for name in model.model_fields:
            assert f"`{name}`" in section("`[[segments]]`"), name


def test_every_text_is_documented_with_its_places() -> None:
    documented = section("`[texts]`")
    for name, field in texts.Texts.model_fields.items():
        table = field.default is None or isinstance(field.default, dict)
        assert f"`texts.{name}`" in documented if table else f"`{name}`" in documented, name
        places = re.findall(r"{(\w+)}", field.default) if isinstance(field.default, str) else []
        assert all(f"`{{{place}}}`" in documented for place in places), name


def test_the_documents_pack_works() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    pack = parse_pack(text, where="docs/packs.md")
    assert Featurizer(compile_plan(pack, "user")).names == ("events_1h", "recency_s")


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_a_shipped_pack_starts_a_partition_of_each_of_its_entities(name: str) -> None:
    pack = load_pack(name)
    for entity in pack.entities:
        setup = PartitionSetup(pack, entity.name, 0, epoch=1, seed=1, snapshot_key=b"key", cache_size=10)
        chunks, states = Partition(setup, {}, {}).take_checkpoint()
        assert states == []
        assert chunks


@pytest.mark.parametrize("name", sorted(shipped_packs()))
def test_a_shipped_packs_thresholds_are_within_what_its_features_can_be(name: str) -> None:
    pack = load_pack(name)
    featurizer = Featurizer(compile_plan(pack, "user"))
    features = {found.name: found for found in (*featurizer.features, *featurizer.rule_features)}
    of_segments = [condition for segment in pack.segments for condition in segment.when]
    of_rules = [condition for rule in pack.rules for way in rule.ways for condition in way]
    for condition in [*of_segments, *of_rules]:
        found = features[condition.feature]
        assert found.low <= condition.value <= found.high, condition
