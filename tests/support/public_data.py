"""Public data that stands beside the checkout; a test without it is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def public_file(name: str) -> Path:
    """Path of one of the files; a missing one fails the test, a missing folder skips it."""
    if not _DATA.is_dir():
        pytest.skip("the folder of public data, ../shared/data, is not here")
    path = _DATA / name
    assert path.is_file(), f"{path} is missing"
    return path
