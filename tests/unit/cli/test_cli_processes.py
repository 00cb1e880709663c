"""Settings of the processes of one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ubi_stream.operations.processes import settings_of_processes
from ubi_stream.settings import Settings


def test_one_process_has_the_settings_as_they_are() -> None:
    settings = Settings(_env_file=None)
    assert settings_of_processes(settings) == [settings]


def test_what_only_one_process_can_have_is_numbered() -> None:
    settings = Settings(
        _env_file=None,
        processes=3,
        web_port=9000,
        instance_id="shop",
        advertised_url="http://host:9000",
        state_store="rocksdb",
        state_dir=Path("/states"),
    )
    found = settings_of_processes(settings)
    assert [one.web_port for one in found] == [9000, 9001, 9002]
    assert [one.instance_id for one in found] == ["shop-0", "shop-1", "shop-2"]
    assert [one.advertised_url for one in found] == ["http://host:9000", "http://host:9001", "http://host:9002"]
    assert [one.state_root for one in found] == [Path("/states/0"), Path("/states/1"), Path("/states/2")]
    assert {one.processes for one in found} == {1}  # a child starts no children


def test_free_ports_stay_free_ports_and_no_name_stays_no_name() -> None:
    found = settings_of_processes(Settings(_env_file=None, processes=2, web_port=0, instance_id=None))
    assert [(one.web_port, one.instance_id) for one in found] == [(0, None), (0, None)]


@pytest.mark.parametrize("given", ["", "secret"])
def test_all_sign_models_with_the_same_key(given: str) -> None:
    found = settings_of_processes(Settings(_env_file=None, processes=2, snapshot_key=given))
    first, second = (one.snapshot_key.get_secret_value() for one in found)
    assert first == second
    assert first == given if given else len(first) == 64


def test_every_process_needs_a_port() -> None:
    with pytest.raises(ValidationError, match="leaves no ports for processes=3"):
        Settings(_env_file=None, processes=3, web_port=65534)
