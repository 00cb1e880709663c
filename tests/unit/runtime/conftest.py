"""Tables of an application that is never started."""

from __future__ import annotations

import faust
import pytest

import tables.partitions
import tables.states
from ubi_stream.chunked.table import PartitionedTable


@pytest.fixture
def app() -> faust.App:
    return faust.App("t", broker="kafka://127.0.0.1:1", store="memory://")


@pytest.fixture
def states(app: faust.App) -> PartitionedTable:
    return tables.states.declare(app, "user", 4)


@pytest.fixture
def records(app: faust.App) -> PartitionedTable:
    return tables.partitions.declare(app, "user", 4)
