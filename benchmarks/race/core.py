"""The product's pure functions as every contestant calls them: one event in, insights out, states beside them.

Nothing here is slower than the product has it: the same pipeline, the same cache of decoded states, the same codec.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from benchmarks.race.progress import VARIABLE, Progress
from ubi_stream.events.model import Record
from ubi_stream.insights.encoding import encode_insight
from ubi_stream.packs.loader import load_pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.settings import Settings

Message = tuple[bytes, bytes]
"""Key and value for the topic of insights."""


class Core:
    """The pipeline over one partition.

    Parameters
    ----------
    states
        Where encoded states are read from and written to: whatever the contestant keeps its state in.
    """

    def __init__(self, settings: Settings, partition: int, states: MutableMapping[bytes, bytes]) -> None:
        pack = load_pack(settings.pack)
        self._partitions = {
            entity.name: Partition(
                PartitionSetup(
                    pack=pack,
                    entity=entity.name,
                    partition=partition,
                    epoch=0,
                    seed=settings.seed,
                    snapshot_key=b"contestants keep no models",
                    cache_size=settings.state_cache_of_a_partition,
                ),
                states if entity.key is None else {},
                {},
            )
            for entity in pack.entities
        }
        self._forwarded = 0

    def process(self, records: list[Record]) -> list[Message]:
        """Take events through the pipeline; returns insights as the product writes them.

        What the product forwards to another kind of entity over a topic goes there at once.
        """
        effects = self._partitions["user"].pipeline.run(records, forwarded=False)
        insights = effects.insights
        by_entity: dict[str, list[Record]] = {}
        for forward in effects.forwards:
            origin = records[-1]
            some = by_entity.setdefault(forward.entity, [])
            some.append(
                Record(
                    forward.entity,
                    origin.partition,
                    self._forwarded,
                    origin.timestamp_ms,
                    forward.key,
                    forward.value,
                    forward.headers,
                )
            )
            self._forwarded += 1
        for entity, forwarded in by_entity.items():
            insights += self._partitions[entity].pipeline.run(forwarded, forwarded=True).insights
        return [(insight.user_id.encode(), encode_insight(insight)) for insight in insights]

    def write_states(self) -> None:
        """Encode the states that changed, and write them into the mapping."""
        for partition in self._partitions.values():
            partition.store.take_changes()


class BorrowedStates(MutableMapping[bytes, bytes]):
    """States in a framework that lends out one key's state at a time.

    The key at hand is read from the framework and written to it. Others come into play when the partition's time makes
    a visit of theirs end; a framework of this kind has no answer to that, so they come from a copy in memory, which
    stands until the framework has the key at hand again.

    Attributes
    ----------
    key
        The key at hand.
    value
        Its state, as the framework gave it, and as it is to be given back.
    """

    def __init__(self) -> None:
        self.key = b""
        self.value: bytes | None = None
        self._others: dict[bytes, bytes] = {}
        self._newer: set[bytes] = set()

    def __getitem__(self, key: bytes) -> bytes:
        if key != self.key or key in self._newer:
            return self._others[key]
        if self.value is None:
            raise KeyError(key)
        return self.value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._others[key] = value
        if key == self.key:
            self.value = value
            self._newer.discard(key)
        else:
            self._newer.add(key)

    def __delitem__(self, key: bytes) -> None:
        del self._others[key]
        self._newer.discard(key)
        if key == self.key:
            self.value = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._others)

    def __len__(self) -> int:
        return len(self._others)


def contestant_progress() -> Progress:
    """The file of the contestant that this process is."""
    return Progress(Path(os.environ[VARIABLE]))


def contestant_folder(name: str) -> Path:
    """A folder that stays over restarts, for a framework that keeps state on disk."""
    folder = Path(os.environ[VARIABLE]).parent / name
    folder.mkdir(exist_ok=True)
    return folder
