"""Faust's assignor, for workers that come back under another address.

A static member that comes back is given the assignment that it had, without a rebalance. Faust insists that the
address in it is still the worker's own; where it isn't (a new port, a new pod), its assertion ends aiokafka's
coordinator, and the worker waits for partitions for ever, without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from faust.assignor import PartitionAssignor
from faust.assignor.client_assignment import ClientMetadata


class ChunkAssignor(PartitionAssignor):
    """Takes an assignment that was made for the worker's last address.

    Attributes
    ----------
    on_failure
        Called with an error that ends the worker: without an assignment it could only wait. Does not return.
    """

    on_failure: Callable[[BaseException], Any]

    def on_assignment(self, assignment: Any) -> None:
        try:
            super().on_assignment(self._readdressed(assignment))
        except Exception as error:  # noqa: BLE001 - raised here it would end aiokafka's coordinator, and nothing else
            self.on_failure(error)

    def _readdressed(self, assignment: Any) -> Any:
        """The assignment with our address of today; others hear of it at the next rebalance."""
        metadata = ClientMetadata.loads(self._decompress(assignment.user_data))
        before, now = metadata.url, str(self._url)
        if before == now:
            return assignment
        structlog.get_logger("ubi_stream.assignor").warning("address_changed", before=before, now=now)
        renamed = ClientMetadata(
            assignment=metadata.assignment,
            url=now,
            changelog_distribution=_renamed(metadata.changelog_distribution, before, now),
            external_topic_distribution=_renamed(metadata.external_topic_distribution, before, now),
            topic_groups=metadata.topic_groups,
        )
        user_data = self._compress(renamed.dumps())
        return ConsumerProtocolMemberAssignment(assignment.version, assignment.assignment, user_data)


def _renamed(distribution: dict[str, Any], before: str, now: str) -> dict[str, Any]:
    return {now if url == before else url: topics for url, topics in distribution.items()}
