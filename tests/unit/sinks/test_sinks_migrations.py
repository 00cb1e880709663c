"""Which files are migrations, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.sinks.migrations import read_migrations


def test_shipped_migrations_are_numbered_without_gap() -> None:
    versions = [migration.version for migration in read_migrations()]
    assert versions == list(range(1, len(versions) + 1))
    assert versions


def test_hash_does_not_depend_on_line_ends(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"SELECT 1;\nSELECT 2;\n")
    (tmp_path / "0002_b.sql").write_bytes(b"SELECT 1;\r\nSELECT 2;\r\n")
    unix, windows = read_migrations(tmp_path)
    assert unix.sha256 == windows.sha256


@pytest.mark.parametrize("names", [("1_a.sql",), ("0001-a.sql",), ("0001_a.sql", "0001_b.sql")])
def test_wrong_names_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ConfigError, match=names[-1].replace(".", r"\.")):
        read_migrations(tmp_path)
