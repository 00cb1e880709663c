"""What tests of several folders make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ubi_stream.mappings.model import Mapping, load_mapping


@pytest.fixture
def make_mapping(tmp_path: Path) -> Callable[[str], Mapping]:
    """Load a mapping from TOML text."""

    def make(text: str, name: str = "shop") -> Mapping:
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return load_mapping(path)

    return make
