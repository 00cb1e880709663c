"""Where the tables of states are, as the settings say: in memory, or in RocksDB on disk."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.kafka.changelog_store import ChangelogStore, MemoryStore
from ubi_stream.kafka.topic_identity import read_identity
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings
from ubi_stream.state import codec
from ubi_stream.tables import states as state_tables

if TYPE_CHECKING:
    from ubi_stream.kafka.rocks import RocksFolder


class StateStores(AbstractContextManager["StateStores"]):
    """The stores of a worker; within the context, its folder is its own.

    Attributes
    ----------
    by_entity
        Store of each entity's table of states, once `find` was awaited.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._folder: RocksFolder | None = None
        self.by_entity: dict[str, ChangelogStore] = {}

    def __enter__(self) -> StateStores:
        """Take the folder, where the settings ask for one.

        Raises
        ------
        ConfigError
            RocksDB is not installed, the folder can't be written to, or another worker has it.
        """
        if self._settings.state_store == "rocksdb":
            self._folder = _open_folder(folder_of(self._settings), self._clock)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._folder is not None:
            self._folder.close()

    async def find(self, admin: AIOKafkaAdminClient, pack: Pack) -> None:
        """Find the stores of a pack's entities. On disk, a copy counts for one life of its changelog alone.

        Raises
        ------
        TopicLayoutError
            A changelog does not exist.
        """
        for entity in pack.entities:
            table = state_tables.name(entity.name)
            if self._folder is None:
                self.by_entity[entity.name] = MemoryStore()
                continue
            identity = await read_identity(admin, self._settings.changelog_topic(table))
            life = f"{identity.cluster_id}/{identity.topic_id}/{codec.VERSION}"
            self.by_entity[entity.name] = self._folder.store(table, life)


def folder_of(settings: Settings) -> Path:
    """Where a worker keeps its states on disk."""
    return settings.state_root / settings.app_id


def _open_folder(folder: Path, clock: Clock) -> RocksFolder:
    try:
        from ubi_stream.kafka.rocks import RocksFolder  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        if error.name != "rocksdict":
            raise
        raise ConfigError(
            "UBI_STATE_STORE = 'rocksdb': the package rocksdict is not installed; pip install 'ubi-stream[rocksdb]'"
        ) from error
    return RocksFolder(folder, clock)
