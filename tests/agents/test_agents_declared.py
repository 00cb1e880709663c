"""Agents and tables: thin declarations, which the folders at the top of the repository show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

import agents
import tables
import ubi_stream.agents
import ubi_stream.tables
from ubi_stream.agents import events as events_agent
from ubi_stream.agents import repartitioned as repartitioned_agent
from ubi_stream.kafka.transport import ProcessChunk


@pytest.mark.parametrize(("folder", "package"), [(agents, ubi_stream.agents), (tables, ubi_stream.tables)])
def test_the_folders_at_the_top_show_what_the_package_declares(folder: Any, package: Any) -> None:
    assert [getattr(folder, name) for name in folder.__all__] == [getattr(package, name) for name in folder.__all__]
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(folder.__all__) == modules


class Stream:
    """Gives chunks as Faust's stream does, unacknowledged."""

    def __init__(self, chunks: list[Any]) -> None:
        self._chunks = chunks
        self.acknowledges = True

    def noack(self) -> Stream:
        self.acknowledges = False
        return self

    async def events(self) -> AsyncIterator[Any]:
        for tp, records in self._chunks:
            yield SimpleNamespace(message=SimpleNamespace(tp=tp), value=records)


class App:
    """Notes which agents are declared."""

    def __init__(self) -> None:
        self.declared: list[tuple[Any, str, int]] = []
        self.agents: list[Any] = []

    def agent(self, topic: Any, *, name: str, concurrency: int) -> Callable[[Any], None]:
        self.declared.append((topic, name, concurrency))
        return self.agents.append


@pytest.mark.parametrize(
    ("register", "name"),
    [
        (events_agent.register, "events"),
        (lambda app, topic, process: repartitioned_agent.register(app, topic, "terminal", process), "by-terminal"),
    ],
)
async def test_an_agent_hands_over_chunks_in_order_and_acknowledges_none(
    register: Callable[[Any, Any, ProcessChunk], None], name: str
) -> None:
    app, taken = App(), []

    async def process(tp: TP, records: list[Any]) -> None:
        taken.append((tp, records))

    register(app, "topic", process)
    assert app.declared == [("topic", name, 1)], "more than one would let a partition's chunks overtake one another"
    chunks = [(TP("topic", 0), [1, 2]), (TP("topic", 1), [3]), (TP("topic", 0), [4])]
    stream = Stream(list(chunks))
    await app.agents[0](stream)
    assert taken == chunks
    assert not stream.acknowledges, "offsets are committed by the barrier alone"
