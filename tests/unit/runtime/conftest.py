"""Tables of an application that is never started."""

from __future__ import annotations

import faust
import pytest

from ubi_stream.kafka.table import PartitionedTable
from ubi_stream.tables import partitions as record_tables
from ubi_stream.tables import states as state_tables


@pytest.fixture
def app() -> faust.App:
    return faust.App("t", broker="kafka://127.0.0.1:1", store="memory://")


@pytest.fixture
def states(app: faust.App) -> PartitionedTable:
    return state_tables.declare(app, "user", 4)


@pytest.fixture
def records(app: faust.App) -> PartitionedTable:
    return record_tables.declare(app, "user", 4)
