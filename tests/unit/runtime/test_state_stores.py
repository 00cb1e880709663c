"""Where states are kept: as the settings say, or a sentence that says what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ubi_stream.clock import ManualClock
from ubi_stream.errors import ConfigError
from ubi_stream.runtime.state_stores import StateStores, folder_of
from ubi_stream.settings import Settings


def settings(folder: Path, **changes: object) -> Settings:
    return Settings(_env_file=None, state_store="rocksdb", state_dir=folder).model_copy(update=changes)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rocks", "rocks_content"):
        monkeypatch.delitem(sys.modules, f"ubi_stream.kafka.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "rocksdict", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'ubi-stream\[rocksdb\]'"),
        StateStores(settings(tmp_path), ManualClock()),
    ):
        pass


def test_in_memory_there_is_no_folder(tmp_path: Path) -> None:
    with StateStores(settings(tmp_path, state_store="memory"), ManualClock()):
        assert not list(tmp_path.iterdir())


def test_workers_of_two_applications_can_share_a_folder_and_those_of_one_cannot(tmp_path: Path) -> None:
    with StateStores(settings(tmp_path), ManualClock()):
        with StateStores(settings(tmp_path, app_id="other"), ManualClock()):
            assert {path.name for path in tmp_path.iterdir()} == {"ubi", "other"}
        with pytest.raises(ConfigError, match="another worker"), StateStores(settings(tmp_path), ManualClock()):
            pass
    with StateStores(settings(tmp_path), ManualClock()):
        pass  # and when it has ended, the next one can


def test_by_default_it_is_where_the_user_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setattr(sys, "platform", "linux")
    assert folder_of(Settings(_env_file=None, app_id="shop")) == Path("/state/ubi-stream/shop")
