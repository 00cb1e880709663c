"""What the contract tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ubi_stream.features import registry


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Takes out again what a test registers, and the documented example, so that it registers itself anew."""
    before = dict(registry._features)
    yield
    registry._features.clear()
    registry._features.update(before)
    sys.modules.pop("our_features", None)
