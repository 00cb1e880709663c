from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from support.waiting import eventually
from ubi_stream.errors import LocalServiceError
from ubi_stream.local import EmbeddedPostgres
from ubi_stream.local.postgres import unprivileged


@pytest.fixture(scope="module")
def server(server_data: Path, session_servers: list[object]) -> Iterator[EmbeddedPostgres]:
    """A server that these tests may stop, kill and freeze."""
    with EmbeddedPostgres(server_data / "own postgres, ü") as server:
        session_servers.append(server)
        yield server


async def numbers(dsn: str, *new: int) -> list[int]:
    """Add numbers to a table and return all that are in it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS numbers (number int)")
        await connection.executemany("INSERT INTO numbers VALUES ($1)", [(number,) for number in new])
        return [row["number"] for row in await connection.fetch("SELECT number FROM numbers ORDER BY number")]
    finally:
        await connection.close()


async def test_rows_survive_a_restart_and_a_kill(server: EmbeddedPostgres) -> None:
    dsn = server.dsn
    assert await numbers(dsn, 1) == [1]
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    assert server.dsn == dsn
    assert await numbers(dsn, 2) == [1, 2]
    server.kill()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(dsn)
    await asyncio.to_thread(server.start)
    assert await numbers(dsn, 3) == [1, 2, 3]


async def test_a_kill_ends_sessions_too(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    server.kill()
    assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
    await eventually(connection.is_closed, message="connection closed")
    await asyncio.to_thread(server.start)


async def test_stop_does_not_wait_for_clients(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn)
    pids = server.pids
    await asyncio.to_thread(server.stop)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    await eventually(connection.is_closed, message="connection closed")
    await asyncio.to_thread(server.start)


async def test_a_paused_server_answers_nothing_until_it_is_resumed(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.dsn)
    server.pause()
    asking = asyncio.ensure_future(connection.fetchval("SELECT 7"))
    done, _ = await asyncio.wait([asking], timeout=0.3)
    assert not done
    server.resume()
    assert await asking == 7
    await connection.close()


async def test_nobody_gets_in_without_the_password(server: EmbeddedPostgres) -> None:
    address, secret = f"postgresql://postgres@127.0.0.1:{server.port}/postgres", server.data_dir / "password"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(address, password="guessed")
    assert secret.stat().st_mode & 0o077 == 0


def test_a_second_start_is_refused(server: EmbeddedPostgres) -> None:
    with pytest.raises(LocalServiceError, match=f"Postgres is already running on port {server.port}"):
        server.start()


def test_a_taken_port_is_told_from_the_log(server: EmbeddedPostgres, server_data: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"Postgres ended with status 1 while starting(.|\n)*in use"):
        EmbeddedPostgres(server_data / "other", port=server.port).start()


def test_the_address_is_known_only_after_the_first_start(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match="Postgres was never started on"):
        _ = EmbeddedPostgres(tmp_path).dsn


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServiceError, match=r"Postgres can't use .*/file/data: "):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


async def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")

    async def start() -> None:
        async with server:
            raise AssertionError("never entered")

    starting = asyncio.create_task(start())
    await eventually(lambda: (tmp_path / "postgres").exists(), message="start has begun")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not server.running
    assert server.pids == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="a normal user starts Postgres as itself")
def test_for_root_postgres_runs_as_somebody_who_still_reaches_roots_files(tmp_path: Path) -> None:
    secret = tmp_path / "closed" / "file"
    secret.parent.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    # As Postgres does: ask for access first, then open.
    script = f"test -r '{secret}' && cat '{secret}' && grep CapEff /proc/self/status && id -u"
    done = subprocess.run([*unprivileged(), "/bin/sh", "-c", script], capture_output=True, text=True)
    *_, capabilities, user = done.stdout.split()
    assert int(user) == pwd.getpwnam("nobody").pw_uid
    assert int(capabilities, 16) == 1 << 1  # CAP_DAC_OVERRIDE and no other


OWNER = """
import pathlib, sys, time
from ubi_stream.local import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
server.start()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder_of_killed_owner(tmp_path: Path) -> Path:
    """Data of a server whose owner was killed a moment ago."""
    folder = tmp_path / "postgres"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        owner.kill()
    return folder


async def test_the_folder_of_a_killed_owner_can_be_used_again_at_once(folder_of_killed_owner: Path) -> None:
    async with EmbeddedPostgres(folder_of_killed_owner) as server:
        assert await numbers(server.dsn, 1) == [1]
    assert "database system is shut down" in server.log_file.read_text()
