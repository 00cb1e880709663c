"""Servers and a worker in the background of this machine: `ubi up` starts them, `ubi down` ends them.

One process owns them all, as `ubi demo` does, and ends with them. A file in the data folder says which process it is
and how its servers are reached; what a dead process left counts as nothing.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import platformdirs
from pydantic import SecretStr

from ubi_stream.clock import Clock
from ubi_stream.errors import LocalServiceError
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import absolute_pack, child_environment, load_settings

_SERVERS: Final = frozenset(("broker", "postgres_dsn", "web_host", "web_port"))
_FILE: Final = "running.json"
_LOG: Final = "up.log"
_POLL_S: Final = 0.05
_READY_WITHIN_S: Final = 180.0
_STOP_WITHIN_S: Final = 15.0


class Background(msgspec.Struct, frozen=True):
    """What runs in the background, as the file in its data folder says.

    `created_s` is when the process began: another process that got the same id later began at another time.
    """

    pid: int
    created_s: float
    folder: str
    broker: str
    postgres_dsn: str
    web_url: str

    @classmethod
    def of_this_process(cls, folder: Path, settings: Settings, url: str) -> Self:
        """What this process runs."""
        return cls(
            pid=os.getpid(),
            created_s=_psutil().Process().create_time(),
            folder=str(folder),
            broker=settings.broker,
            postgres_dsn=settings.postgres_dsn.get_secret_value(),
            web_url=url,
        )

    @property
    def alive(self) -> bool:
        """Whether that very process is still there."""
        psutil = _psutil()
        try:
            process = psutil.Process(self.pid)
            return bool(process.create_time() == self.created_s and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def servers(self) -> dict[str, Any]:
        """The settings that reach it."""
        host, _, port = self.web_url.rpartition(":")
        return {
            "broker": self.broker,
            "postgres_dsn": SecretStr(self.postgres_dsn),
            "web_host": host.partition("//")[2],
            "web_port": int(port),
        }

    def write(self) -> None:
        """Write the file, readable for this user alone: the database's password is in it."""
        path = Path(self.folder) / _FILE
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(msgspec.json.encode(self))
        new.replace(path)


def server_settings(*, broker: str | None = None, dsn: str | None = None, **overrides: Any) -> Settings:
    """Settings of a command that uses servers: options first, then settings, then what `ubi up` runs, then defaults."""
    settings = load_settings(broker=broker, postgres_dsn=dsn, **overrides)
    background = running_background()
    if background is None or not _SERVERS.isdisjoint(settings.model_fields_set):
        return settings
    return load_settings(**background.servers(), **overrides)


def background_folder(settings: Settings) -> Path:
    """Where `ubi up` keeps its data: `UBI_DATA_DIR`, else the user's folder for such data."""
    return (settings.data_dir or platformdirs.user_data_path("ubi-stream") / "up").expanduser().absolute()


def running_background(folder: Path | None = None) -> Background | None:
    """What runs in the background on a folder; None where nothing does."""
    path = (folder or background_folder(load_settings())) / _FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Background)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.alive else None


def start_background(folder: Path, settings: Settings, clock: Clock) -> Background:
    """Start all of it in a process of its own that outlives this one; returns when it is ready.

    Raises
    ------
    LocalServiceError
        It ended while starting, or was not ready in three minutes; the message ends with its log.
    """
    from ubi_stream.local.process import log_tail  # noqa: PLC0415 - an extra that a worker's image doesn't have

    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / _LOG
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ubi_stream.cli.main", "up", "--foreground", "--data", str(folder)],
            cwd=folder,  # away from a .env file: the environment says all
            env=child_environment(absolute_pack(settings)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline_s = clock.monotonic_s() + _READY_WITHIN_S
    while (found := running_background(folder)) is None or found.pid != process.pid:
        if process.poll() is not None or clock.monotonic_s() > deadline_s:
            process.kill()
            raise LocalServiceError(f"it did not start. Its log {log_file} ends with:\n{log_tail(log_file)}")
        time.sleep(_POLL_S)
    return found


def stop_background(background: Background) -> None:
    """Ask it to end, and return when it has.

    Raises
    ------
    LocalServiceError
        It did not end within 15 s.
    """
    psutil = _psutil()
    try:
        process = psutil.Process(background.pid)
        process.terminate()
        process.wait(_STOP_WITHIN_S)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired as error:
        raise LocalServiceError(f"process {background.pid} does not end; its log is in {background.folder}") from error
    (Path(background.folder) / _FILE).unlink(missing_ok=True)


def _psutil() -> Any:
    """The library, which comes with the extra `local`: without it nothing of ours can run in the background."""
    import psutil  # noqa: PLC0415 - as said

    return psutil


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()
