"""Faults of the machine: a full disk, a disk that stalls, one core for everything."""

from __future__ import annotations

import asyncio
import os
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

from benchmarks.faults.fleet import pin
from benchmarks.faults.run import Run

_BALLAST_BLOCK: Final = 1024 * 1024
_STALL_S: Final = 0.3


class SmallDisk:
    """A file system of its own, in memory, that can be filled to the last byte.

    Parameters
    ----------
    folder
        Where it is mounted.
    """

    def __init__(self, folder: Path, *, size_mb: int) -> None:
        self.folder = folder
        self._size_mb = size_mb

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._size_mb}m,mode=755"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)], check=True, capture_output=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (_BALLAST_BLOCK, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue  # full, for blocks of this size

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@cache
def can_mount() -> bool:
    """Whether this process may mount file systems."""
    try:
        with TemporaryDirectory(prefix="ubi-faults-") as folder, SmallDisk(Path(folder) / "disk", size_mb=1):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


async def disk_full(run: Run) -> None:
    """A server's disk is full for a while; one that died of it is started again."""
    disk: SmallDisk = run.context["disk"]
    await run.past(0.3)
    await asyncio.to_thread(disk.fill)
    try:
        if run.context["scoring_goes_on"]:
            await run.goes_on()
        await asyncio.sleep(run.context["full_s"])
    finally:
        disk.free()
    died = [server for server in (run.servers.kafka, run.servers.postgres) if not server.running]
    if not died and not run.fleet[0].predicted("database_unavailable"):
        raise AssertionError("the disk was not full enough for anybody to notice")
    run.notes.append(" and ".join(f"{server.name} died of it" for server in died) or "rows were refused")
    for server in died:
        await asyncio.to_thread(server.start)
    await run.goes_on()
    await run.stores_again()


async def stalling_disk(run: Run) -> None:
    """Broker and database stand still for 300 ms, then run for 300 ms, as with a disk that is too slow for them."""
    while await run.watch.events_committed() < 0.9 * run.total:
        for server in (run.servers.kafka, run.servers.postgres):
            server.pause()
        await asyncio.sleep(_STALL_S)
        for server in (run.servers.kafka, run.servers.postgres):
            server.resume()
        await asyncio.sleep(_STALL_S)


async def one_core(run: Run) -> None:
    """Broker, database and worker share one core; the worker is killed there, too."""
    servers = [pid for server in (run.servers.kafka, run.servers.postgres) for pid in server.pids]
    core, everywhere = {min(os.sched_getaffinity(0))}, os.sched_getaffinity(0)
    run.fleet[0].cores = core
    try:
        pin([*servers, run.fleet[0].pid], core)
        for share in (0.3, 0.6):
            await run.past(share)
            run.fleet[0].kill()
            await run.goes_on()
        await run.past(1.0)
    finally:
        pin(servers, everywhere)
