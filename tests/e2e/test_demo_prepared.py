"""What the demo does before it starts a server: opens the file, finds the pack, makes the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.operations.demo.source import DemoOptions, prepared
from ubi_stream.settings import Settings


def options(file: Path | None, **changes: Any) -> DemoOptions:
    given: dict[str, Any] = {
        "data": None,
        "file": file,
        "mapping": "rees46",
        "sort": False,
        "speed": "max",
        "rate": 50.0,
        "users": 50,
        "seed": 7,
    }
    return DemoOptions(**(given | changes))


def test_a_file_brings_the_pack_of_its_mapping(shop_file: Path) -> None:
    with prepared(options(shop_file), Settings()) as job:
        assert job.pack.name == "ecommerce"
        assert job.source is not None
        assert sum(1 for _ in job.source) == 3_000


def test_without_a_file_it_is_a_story(tmp_path: Path) -> None:
    with prepared(options(None), Settings()) as job:
        assert (job.source, job.pack.name, job.keeps_data) == (None, "ecommerce", False)
    with prepared(options(None, data=tmp_path / "kept"), Settings()) as job:
        assert job.keeps_data


def test_the_folder_that_was_asked_for_stays_and_a_temporary_one_goes(tmp_path: Path) -> None:
    with prepared(options(None, data=tmp_path / "new"), Settings()) as job:
        assert job.folder == tmp_path / "new"
    assert job.folder.is_dir()
    with prepared(options(None), Settings()) as job:
        assert job.folder.is_dir()
    assert not job.folder.exists()
    with prepared(options(None), Settings(data_dir=tmp_path / "set")) as job:
        assert job.folder == tmp_path / "set"


def test_nothing_is_started_for_a_wrong_file_or_option(tmp_path: Path) -> None:
    for wrong, message in ((options(tmp_path / "no.csv"), "no.csv"), (options(None, users=3), "users = 3")):
        with pytest.raises(ConfigError, match=message), prepared(wrong, Settings()):
            pytest.fail("it went on")
