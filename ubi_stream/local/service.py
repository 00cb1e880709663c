"""What the embedded servers have in common: start, stop, and the faults a test inflicts."""

from __future__ import annotations

import asyncio
import fcntl
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Self

from ubi_stream.errors import LocalServiceError
from ubi_stream.local.ports import free_port
from ubi_stream.local.process import ChildProcess

_POLL_S = 0.05


class LocalService(ABC):
    """A server on 127.0.0.1 with its data in a folder; started again on that folder it goes on with the data.

    The methods block and belong to no event loop. From a coroutine use `async with`, or `asyncio.to_thread`.

    Parameters
    ----------
    data_dir
        Where the server keeps its data and its log; made when missing.
    port
        TCP port on 127.0.0.1; 0 takes a free one, which the object then keeps over restarts.
    """

    name: ClassVar[str]
    start_within_s: ClassVar[float] = 60.0  # typically 3 s; a loaded machine with a slow disk takes ten times that
    lock_within_s: ClassVar[float] = 6.0  # a guard takes up to 5 s
    stop_within_s: ClassVar[float] = 3.5  # typically under 0.5 s; Ctrl-C must be over in 5 s with all else

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or free_port()
        self._child: ChildProcess | None = None

    @property
    def log_file(self) -> Path:
        """Everything that the server ever printed while it used this folder."""
        return self.data_dir / f"{self.name.lower()}.log"

    @property
    def running(self) -> bool:
        """Whether the server is up; a paused one is."""
        return self._child is not None and self._child.running

    @property
    def pids(self) -> tuple[int, ...]:
        """Ids of the processes that belong to it: none unless it was started."""
        return self._child.pids if self._child is not None else ()

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises
        ------
        LocalServiceError
            It runs already, or doesn't come up: says why, with the end of its log.
        """
        if self.running:
            raise LocalServiceError(f"{self.name} is already running on port {self.port}")
        self.kill()  # what is left of a server that died by itself
        with self._locked_folder() as lock:
            self._prepare()
            # The server inherits the open lock file, so that the folder is locked until its last process has ended.
            self._child = child = self._launch(lock.fileno())
        child.wait_until(self._answers, self.start_within_s)

    def stop(self) -> None:
        """End the server in good order; after 3.5 s kill it. Nothing happens when it isn't running."""
        if self._child is not None:
            self._child.stop(self.stop_within_s)
            self._child = None

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would. Nothing happens when it isn't running."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): it keeps its connections and answers nothing."""
        self._running_child().pause()

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._running_child().resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        starting = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])  # a thread can't be cancelled, and what it starts must not stay
            self.kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not in a thread: when this returns the server is gone, also while we are being cancelled.
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data folder usable, when it is new."""

    @abstractmethod
    def _launch(self, lock: int) -> ChildProcess:
        """Start the server's process, which must keep the file descriptor `lock` open."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client is served now; False while the server is still starting."""

    @contextmanager
    def _locked_folder(self) -> Iterator[BinaryIO]:
        """Make the data folder and keep everybody else out of it.

        Waits a little: when the last owner was killed, its guard may still be ending the server.
        """
        deadline = time.monotonic() + self.lock_within_s
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock_file = (self.data_dir / ".lock").open("wb")
        except OSError as error:
            raise LocalServiceError(f"{self.name} can't use {self.data_dir}: {error}") from error
        with lock_file:
            while not _try_lock(lock_file):
                if time.monotonic() >= deadline:
                    raise LocalServiceError(f"{self.name}'s folder {self.data_dir} is used by a running server")
                time.sleep(_POLL_S)
            yield lock_file

    def _running_child(self) -> ChildProcess:
        if self._child is None or not self._child.running:
            raise LocalServiceError(f"{self.name} is not running")
        return self._child


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
