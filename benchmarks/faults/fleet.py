"""Workers as processes under a supervisor: one that ends is started again, as a container platform does it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from ubi_stream.errors import LocalServiceError
from ubi_stream.local.process import ChildProcess, log_tail
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import child_environment

WORKER: Final = ("ubi_stream.cli.main", "worker")
BROKEN: Final = ("benchmarks.faults.broken_worker",)
_ROOT: Final = Path(__file__).resolve().parents[2]
_POLL_S: Final = 0.02
_BACKOFF_S: Final = 0.3
_READY_WITHIN_S: Final = 90.0
_STOP_WITHIN_S: Final = 15.0
DRAINS_WITHIN_S: Final = 10.0
"""A worker that is told to stop has flushed, committed and ended by then."""


@dataclass
class Worker:
    """One supervised worker; its log goes on over restarts.

    Attributes
    ----------
    exits
        How often it ended with which status while it was wanted.
    cores
        Where it may run; None: everywhere.
    drain_s
        Longest time that it took to end when it was told to.
    """

    name: str
    settings: Settings
    folder: Path
    module: tuple[str, ...] = WORKER
    environment: dict[str, str] = field(default_factory=dict)
    exits: Counter[int] = field(default_factory=Counter)
    wanted: bool = False
    cores: set[int] | None = None
    drain_s: float = 0.0
    _child: ChildProcess | None = None
    _read_to: int = 0

    @property
    def log_file(self) -> Path:
        """Everything that it ever said."""
        return self.folder / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether its process is there; a paused one is."""
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the process."""
        self.wanted = True
        self.kill()  # what is left of one that died by itself: its guard
        self._child = ChildProcess(
            self.name,
            [sys.executable, "-m", *self.module],
            log_file=self.log_file,
            cwd=self.folder,  # away from a .env file: the environment says all
            env={**child_environment(self.settings), "PYTHONPATH": str(_ROOT), **self.environment},
        )
        if self.cores is not None:
            pin(self._child.pids, self.cores)

    @property
    def pid(self) -> int:
        """Of its newest process."""
        assert self._child is not None, "it was started"
        return self._child.pids[0]

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        assert self._child is not None, "it was started"
        self._child.pause()

    def resume(self) -> None:
        """SIGCONT."""
        assert self._child is not None, "it was started"
        self._child.resume()

    async def stop(self) -> None:
        """SIGTERM, and no restart."""
        self.wanted = False
        if self._child is not None:
            running, started_s = self.running, time.monotonic()
            await asyncio.to_thread(self._child.stop, _STOP_WITHIN_S)
            if running:
                self.drain_s = max(self.drain_s, time.monotonic() - started_s)

    async def restart(self) -> None:
        """SIGTERM; whoever supervises it starts it again."""
        if self.running:
            started_s = time.monotonic()
            os.kill(self.pid, signal.SIGTERM)
            await until(lambda: not self.running, DRAINS_WITHIN_S, f"{self.name} ends")
            self.drain_s = max(self.drain_s, time.monotonic() - started_s)

    async def says(self, event: str, within_s: float = _READY_WITHIN_S) -> None:
        """Wait for a line of its log, after those that were waited for before."""

        def predicted() -> bool:
            with self.log_file.open("rb") as log:
                log.seek(self._read_to)
                for line in log:
                    if not line.endswith(b"\n"):
                        return False
                    self._read_to += len(line)
                    if _parsed(line).get("event") == event:
                        return True
            return False

        await until(predicted, within_s, f"{self.name} says {event}", lambda: log_tail(self.log_file))

    def skip_log(self) -> None:
        """Wait only for lines that are still to come."""
        self._read_to = self.log_file.stat().st_size

    def predicted(self, event: str, **fields: str) -> int:
        """How often its log has a line, with these fields."""
        with self.log_file.open("rb") as log:
            return sum({"event": event, **fields}.items() <= _parsed(line).items() for line in log)

    def memory_mb(self) -> float:
        """Resident memory in MiB; 0 while it is not running."""
        if not self.running:
            return 0.0
        try:
            return float(psutil.Process(self.pid).memory_info().rss) / 2**20
        except psutil.NoSuchProcess:
            return 0.0

    def tended(self) -> bool:
        """Start it again if it has ended by itself or by a fault; whether that was needed."""
        if not self.wanted or self.running or self._child is None:
            return False
        self.exits[self._child.exit_status or 0] += 1
        return True


class Fleet:
    """Some workers of one group, looked after until `stop`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.workers: list[Worker] = []
        self._tending: asyncio.Task[None] | None = None

    def __getitem__(self, number: int) -> Worker:
        return self.workers[number]

    async def grow(self, count: int) -> None:
        """Start workers until there are so many, and wait until the new ones are ready."""
        new = []
        while len(self.workers) < count:
            name = f"worker-{len(self.workers)}"
            settings = self._settings.model_copy(update={"instance_id": name, "web_port": 0})
            new.append(Worker(name, settings, self._folder))
            self.workers.append(new[-1])
            new[-1].start()
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend(), name="supervisor")
        for worker in new:
            await worker.says("ready")

    async def shrink(self, count: int) -> None:
        """Stop the newest workers until so many are left."""
        while len(self.workers) > count:
            await self.workers[-1].stop()
            self._check_stop(self.workers.pop())

    async def stop(self) -> None:
        """Stop all workers in good order."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
            self._tending = None
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    def kill(self) -> None:
        """End whatever is there."""
        for worker in self.workers:
            worker.wanted = False
            worker.kill()

    def exits(self) -> Counter[int]:
        """How often a worker ended with which status while it was wanted; a signal's number is negative."""
        return sum((worker.exits for worker in self.workers), Counter())

    def use(self, **changes: Any) -> None:
        """Other settings, from each worker's next start on."""
        for worker in self.workers:
            worker.settings = worker.settings.model_copy(update=changes)

    @asynccontextmanager
    async def memory_watched(self) -> AsyncIterator[Callable[[], float]]:
        """Gives what a worker has had at most until now, in MiB; looked at once a second."""
        most = 0.0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max([most, *(worker.memory_mb() for worker in self.workers)])
                await asyncio.sleep(1.0)

        watching = asyncio.create_task(watch(), name="memory")
        try:
            yield lambda: most
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            ended = [worker for worker in self.workers if worker.tended()]
            if ended:
                await asyncio.sleep(_BACKOFF_S)
            for worker in ended:
                if worker.wanted:
                    worker.start()

    def _check_stop(self, worker: Worker) -> None:
        if not worker.predicted("stopped"):
            raise LocalServiceError(f"{worker.name} did not stop in good order:\n{log_tail(worker.log_file)}")


async def until(condition: Any, within_s: float, what: str, more: Any = lambda: "") -> None:
    """Wait until a condition holds.

    Raises
    ------
    LocalServiceError
        It does not in time.
    """
    try:
        async with asyncio.timeout(within_s):
            while not condition():  # noqa: ASYNC110 - processes and files set no event
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise LocalServiceError(f"{what}: not within {within_s:.0f} s\n{more()}") from error


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Let processes, their children and all their threads run on these cores alone."""
    for pid in pids:
        main = psutil.Process(pid)
        for process in (main, *main.children(recursive=True)):
            for thread in process.threads():
                try:
                    os.sched_setaffinity(thread.id, cores)
                except ProcessLookupError:
                    continue  # it has ended


def _parsed(line: bytes) -> dict[str, str]:
    """Text fields of a line of the log; none of one that is broken off."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
