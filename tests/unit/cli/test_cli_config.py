"""`ubi config`: every setting, where it came from, no secret; and what a wrong setting looks like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import Result

from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import child_environment, load_settings, pack_for, unknown_variables

Ubi = Callable[..., Result]


def settings_by_name(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return {setting["name"]: setting for setting in json.loads(result.stdout)}


def test_every_setting_is_listed_with_its_variable_and_what_it_is_for(ubi: Ubi) -> None:
    listed = settings_by_name(ubi("config", "--json"))
    assert list(listed) == list(Settings.model_fields)
    for name, setting in listed.items():
        assert setting["variable"] == f"UBI_{name.upper()}"
        assert setting["description"]
        assert setting["origin"] == "default"


def test_the_environment_wins_over_the_file_and_both_are_named(ubi: Ubi) -> None:
    Path(".env").write_text("UBI_BROKER=file:1\nUBI_PACK=payments\n", encoding="utf-8")
    listed = settings_by_name(ubi("config", "--json", UBI_BROKER="env:2"))
    assert (listed["broker"]["value"], listed["broker"]["origin"]) == ("env:2", "environment")
    assert (listed["pack"]["value"], listed["pack"]["origin"]) == ("payments", ".env file")
    assert listed["seed"]["origin"] == "default"


@pytest.mark.parametrize("form", [["--json"], []])
def test_secrets_are_hidden(ubi: Ubi, form: list[str]) -> None:
    result = ubi(
        "config",
        *form,
        UBI_POSTGRES_DSN="postgresql://ann:geheim1@db.example/ubi?password=geheim2",
        UBI_SASL_PASSWORD="geheim3",
        UBI_SNAPSHOT_KEY="geheim4",
    )
    assert result.exit_code == 0
    assert "geheim" not in result.output
    assert "postgresql://ann:********@db.example:5432/ubi" in result.stdout


def test_an_unset_secret_is_shown_as_unset(ubi: Ubi) -> None:
    assert settings_by_name(ubi("config", "--json"))["snapshot_key"]["value"] == ""


def test_the_table_shows_the_value_in_force(ubi: Ubi) -> None:
    result = ubi("config", UBI_APP_ID="shop-1")
    line = next(line for line in result.stdout.splitlines() if line.startswith("UBI_APP_ID"))
    assert line.split()[1:3] == ["shop-1", "environment"]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"UBI_BROKER": "kafka"}, "UBI_BROKER = 'kafka': 'kafka' is not host:port"),
        ({"UBI_WEB_PORT": "70000"}, "UBI_WEB_PORT = '70000': it should be less than or equal to 65535"),
        ({"UBI_PARTITIONS": "many"}, "UBI_PARTITIONS = 'many': it should be a valid integer"),
        ({"UBI_SECURITY_PROTOCOL": "SASL_SSL"}, "security_protocol=SASL_SSL needs sasl_username and sasl_password"),
    ],
)
def test_a_wrong_setting_is_one_sentence_with_its_variable(
    ubi: Ubi, environment: dict[str, str], expected: str
) -> None:
    result = ubi("config", **environment)
    assert result.exit_code == 64
    assert result.stderr.startswith("error: ")
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_a_misspelt_variable_is_told(ubi: Ubi) -> None:
    result = ubi("config", UBI_BROKERS="kafka:9092", UBI_CACHE_DIR="/tmp/jars")
    assert "UBI_BROKERS is no setting; UBI_BROKER is" in result.stderr
    assert "UBI_CACHE_DIR" not in result.stderr


def test_variables_of_others_are_not_ours_to_judge() -> None:
    assert unknown_variables({"PATH": "", "KAFKA_UBI": "", "UBI_PACK": "x", "UBI_QQQQQQ": ""}) == {"UBI_QQQQQQ": None}


def test_a_child_gets_exactly_these_settings(ubi: Ubi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UBI_SEED", "99")
    monkeypatch.setenv("HARMLESS", "kept")
    settings = Settings(seed=3, broker="k:1", snapshot_key=SecretStr("geheim"), session_timeout_s=7.5)
    environment = child_environment(settings)
    assert environment["HARMLESS"] == "kept"
    for name in list(os.environ):
        if name.startswith("UBI_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        if name.startswith("UBI_"):
            monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_a_mapping_brings_its_pack_unless_one_was_asked_for(ubi: Ubi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack_for(load_settings(), "payments").pack == "payments"
    assert pack_for(load_settings(), None).pack == "ecommerce"
    assert pack_for(load_settings(pack="ecommerce"), "payments").pack == "ecommerce"
    monkeypatch.setenv("UBI_PACK", "ecommerce")
    assert pack_for(load_settings(), "payments").pack == "ecommerce"
