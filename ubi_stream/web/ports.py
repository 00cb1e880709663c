"""What the views need of the worker that they run in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ubi_stream.insights.model import Insight
from ubi_stream.metrics.status import Check, Lag, ModelReport, Owner
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.label_replies import LabelKey
from ubi_stream.state.model import UserState


class PackPort(Protocol):
    """What views of the database need."""

    @property
    def pack(self) -> Pack:
        """The pack that runs."""
        ...


class ReadinessPort(Protocol):
    """What the health of a process is read from."""

    def readiness(self) -> Sequence[Check]:
        """What the process needs besides the database."""
        ...


class WorkerPort(Protocol):
    """A worker as its views see it. What is not awaited answers at once, from memory, on the worker's event loop."""

    @property
    def pack(self) -> Pack:
        """The pack that runs."""
        ...

    def locate(self, entity: str, entity_id: str) -> Owner:
        """Which worker has the partition of an entity, whether or not anything is known about the entity.

        `entity` is one of the pack's kinds.
        """
        ...

    def state_of(self, entity: str, entity_id: str) -> UserState | None:
        """Live state of an entity whose partition is here; None if nothing is known about it. Not to be changed."""
        ...

    def features_of(self, entity: str, entity_id: str, now_ms: int) -> dict[str, float | None]:
        """The features of an entity of which `state_of` has a state, by name; None where one has no value yet."""
        ...

    def visit_confidence(self, entity: str, entity_id: str) -> float | dict[str, object] | None:
        """Probability that the newest visit of an entity ends in the class that it has now.

        While that is not known how far the warm-up is; None where nothing is known about the entity or its visits.
        """
        ...

    async def send_command(self, key: LabelKey, value: bytes) -> None:
        """Put a label, or another command about an entity, on the topic; returns when the broker has it.

        Raises
        ------
        DeliveryError
            It did not say so in time.
        """
        ...

    async def label_answer(self, key: LabelKey, *, within_s: float) -> Insight | None:
        """What a label of an entity whose partition is here brought about; None if that is not known in time."""
        ...

    def model_quality(self) -> Sequence[ModelReport]:
        """The models of the partitions that are here."""
        ...

    def readiness(self) -> Sequence[Check]:
        """What the worker needs besides the database: `broker`, `recovery`."""
        ...

    def lag(self) -> Sequence[Lag]:
        """How far behind each partition is that is here."""
        ...
