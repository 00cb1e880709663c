"""What came in an open block waits, to be learned in one go: that costs a fraction of a few rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class BlockLearner(ABC, Generic[T]):
    """Keeps what came until the block ends or a snapshot is taken: that is then the same wherever the stream was cut.

    Where within a block it is learned must make no difference.
    """

    def __init__(self) -> None:
        self._waiting: list[T] = []

    @abstractmethod
    def _learn_waiting(self, waiting: list[T]) -> None:
        """Learn what waited, in order; it is never empty."""

    def _catch_up(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._learn_waiting(waiting)

    def __getstate__(self) -> dict[str, Any]:
        self._catch_up()
        return {name: value for name, value in vars(self).items() if name != "_waiting"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._waiting = []
