"""One partition's states on disk, in RocksDB.

The changelog is the truth, and what is here is a copy of it up to one offset, which stands beside the values and is
written with them. Values go to disk only once the changelog has them; until then they wait in memory, so that a crash
leaves nothing here that a restore would not find. A start reads the rest of the changelog on top. Wherever the copy may
be of something else it is deleted, and the changelog read whole (`RocksChangelogStore.resume`).
"""

from __future__ import annotations

import shutil
from collections.abc import ItemsView, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import structlog
from rocksdict import Options, Rdict, WriteBatch

from ubi_stream.clock import Clock
from ubi_stream.errors import StateStoreError
from ubi_stream.kafka.changelog_store import Content

MAX_AGE_MS: Final = 12 * 3_600_000
"""A copy that was last written to so long ago is not gone on with: tombstones after its offset may be compacted away,
and what they deleted would stay here for ever. Kafka keeps them for a day at least, unless it is told otherwise."""

_FORMAT: Final = 1
_NOWHERE: Final = -1
_ABOUT: Final = b"\xffabout"
"""Key of what a partition's folder says about itself: no entity's, because it is no UTF-8."""
_REMOVED: Final = ".removed"


class _About(msgspec.Struct, array_like=True, frozen=True):
    """Which life of which changelog, up to before which offset (-1: not known), written when."""

    format: int
    life: str
    position: int
    saved_at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_About).decode


class RocksChangelogStore(Content):
    """A copy of one partition of a changelog, and in memory what the changelog may not have yet.

    Parameters
    ----------
    folder
        Of this partition.
    life
        Tells one changelog, and one form of its values, from another.

    Raises
    ------
    StateStoreError
        Nothing can be kept there.
    """

    def __init__(self, folder: Path, life: str, options: Options, clock: Clock) -> None:
        self._folder = folder
        self._life = life
        self._options = options
        self._clock = clock
        self._pending: dict[bytes, bytes | None] = {}
        self._log = structlog.get_logger("ubi_stream.rocks")
        self._db: Rdict | None = None
        try:
            self._db = self._opened()
        except Exception as error:  # noqa: BLE001 - rocksdict has no narrower type
            self._log.warning("state_store_unreadable", folder=str(folder), message=str(error))
            self._wipe()
        self._position = self._found_position()

    def resume(self, start: int, end: int) -> int:
        kept = start <= self._position <= end
        if not kept:
            self._wipe()
            self._position = start
        self._log.info("state_store_opened", folder=str(self._folder), kept=kept, position=self._position, end=end)
        return self._position

    def save(self, count: int) -> Iterator[None]:
        """As of every content. A start after a crash in between reads them once more, which changes nothing.

        Raises
        ------
        StateStoreError
            The disk does not take it.
        """
        while self._db is not None and self._pending:
            self._write(self._db, dict(islice(self._pending.items(), count)))
            yield

    def commit(self, offsets: range | None) -> None:
        """As of every content; a hole in the offsets means that somebody else wrote, and that the next start must see.

        Raises
        ------
        StateStoreError
            The disk does not take it.
        """
        if self._db is None or (offsets is not None and not offsets):
            return
        follows = offsets is not None and offsets.start == self._position
        self._position = offsets.stop if follows and offsets is not None else _NOWHERE
        about = _About(_FORMAT, self._life, self._position, self._clock.now_ms())
        self._write(self._db, dict(self._pending), _encode(about))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def __getitem__(self, key: bytes) -> bytes:
        pending = self._pending
        found = pending[key] if key in pending else self._read(key)
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def __delitem__(self, key: bytes) -> None:
        self._pending[key] = None

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.rows())

    def __len__(self) -> int:
        """Number of keys: it is counted, which takes 3 µs for each."""
        return sum(1 for _ in self.rows())

    def items(self) -> ItemsView[bytes, bytes]:
        return _Items(self)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in one pass over the disk."""
        pending = self._pending
        try:
            values: Iterator[tuple[bytes, bytes]] = cast(Any, self._open.items())
            for key, value in values:
                if key not in pending and key != _ABOUT:
                    yield key, value
        except StateStoreError:
            raise
        except Exception as error:
            raise self._damaged(error) from error
        for key, waiting in pending.items():
            if waiting is not None:
                yield key, waiting

    def _write(self, db: Rdict, rows: Mapping[bytes, bytes | None], about: bytes | None = None) -> None:
        """Write rows that waited, and what the folder says of itself: all of it, or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if about is not None:
            batch.put(_ABOUT, about)
        try:
            db.write(batch)
        except Exception as error:
            raise StateStoreError(f"states could not be written to {self._folder}: {error}") from error
        for key in rows:
            del self._pending[key]

    @property
    def _open(self) -> Rdict:
        if self._db is None:
            raise StateStoreError(f"states in {self._folder} are closed")
        return self._db

    def _read(self, key: bytes) -> bytes | None:
        try:
            found: bytes | None = self._open.get(key)
        except StateStoreError:
            raise
        except Exception as error:
            raise self._damaged(error) from error
        return found

    def _found_position(self) -> int:
        """Up to where the copy goes; -1 where it is of something else, or that is not known."""
        blob = self._read(_ABOUT)
        if blob is None:
            return _NOWHERE
        try:
            about = _decode(blob)
        except msgspec.DecodeError:
            return _NOWHERE
        age_ms = self._clock.now_ms() - about.saved_at_ms
        good = (about.format, about.life) == (_FORMAT, self._life) and 0 <= age_ms <= MAX_AGE_MS
        return about.position if good else _NOWHERE

    def _opened(self) -> Rdict:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        return Rdict(str(self._folder), self._options)

    def _wipe(self) -> None:
        """Begin anew."""
        self.close()
        self._pending.clear()
        remove(self._folder)
        try:
            self._db = self._opened()
        except Exception as error:
            raise StateStoreError(f"states can't be kept in {self._folder}: {error}") from error

    def _damaged(self, error: Exception) -> StateStoreError:
        """The next start must not find it: it would fail at the same place again."""
        self.close()
        remove(self._folder)
        return StateStoreError(f"states in {self._folder} can't be read, the next start restores them: {error}")


class _Items(ItemsView[bytes, bytes]):
    """Without a look-up for each key."""

    _mapping: RocksChangelogStore

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return self._mapping.rows()


def remove(folder: Path) -> None:
    """Delete a folder, in one step as far as a later start can see."""
    gone = folder if folder.name.endswith(_REMOVED) else folder.with_name(folder.name + _REMOVED)
    if folder != gone and folder.exists():
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
