"""A worker that comes back under another address takes the assignment that was made for the one before."""

from __future__ import annotations

from typing import Any

import faust
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from ubi_stream.kafka.assignor import ChunkAssignor

BEFORE, NOW, OTHER = "http://10.0.0.1:8088", "http://10.0.0.2:8088", "http://10.0.0.3:8088"
MINE, THEIRS = {"events": [0, 1]}, {"events": [2, 3]}


@pytest.fixture
def assignor() -> Any:
    app = faust.App("assignor", broker="kafka://127.0.0.1:1", canonical_url=NOW, PartitionAssignor=ChunkAssignor)
    return app.assignor


def assignment(url: str, actives: dict[str, list[int]]) -> Any:
    """What the group's leader gave a member of that address."""
    distribution = {url: MINE, OTHER: THEIRS}
    metadata = ClientMetadata(
        assignment=ClientAssignment(actives=actives, standbys={}),
        url=url,
        changelog_distribution=distribution,
        external_topic_distribution=distribution,
    )
    return ConsumerProtocolMemberAssignment(0, [("events", [0, 1])], ChunkAssignor._compress(metadata.dumps()))


@pytest.mark.parametrize("url", [NOW, BEFORE])
def test_the_partitions_are_taken_and_found_under_the_address_of_today(assignor: Any, url: str) -> None:
    assignor.on_assignment(assignment(url, MINE))
    assert {(tp.topic, tp.partition) for tp in assignor.assigned_actives()} == {("events", 0), ("events", 1)}
    assert assignor.external_topic_distribution == {NOW: MINE, OTHER: THEIRS}


def test_an_assignment_that_contradicts_itself_ends_the_worker(assignor: Any) -> None:
    failures: list[BaseException] = []
    assignor.on_failure = failures.append
    assignor.on_assignment(assignment(NOW, THEIRS))
    assert [type(error) for error in failures] == [AssertionError]
