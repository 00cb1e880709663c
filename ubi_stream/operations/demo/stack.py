"""Everything that the demo runs: Kafka, Postgres and a worker, started together and ended within five seconds."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from pydantic import SecretStr

from ubi_stream.clock import Clock
from ubi_stream.errors import LocalServiceError
from ubi_stream.kafka.client import connect_admin
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.ports import free_port, is_free
from ubi_stream.local.process import ChildProcess, log_tail
from ubi_stream.operations.servers import key_headers
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings
from ubi_stream.sinks.migrations import migrate
from ubi_stream.terminal.configured import absolute_pack, child_environment
from ubi_stream.terminal.together import together

_DATABASE: Final = "ubi"
# Typically half a second. A worker that is killed loses nothing: it goes on from its last barrier. With the servers'
# own 3.5 s, which run side by side, all is over in 5 s.
_WORKER_STOP_S: Final = 1.3
_READY_POLL_S: Final = 0.05
_READY_WITHIN_S: Final = 90.0
_HTTP_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Stack:
    """The running demo.

    Attributes
    ----------
    settings
        What the worker runs with: how to reach the servers.
    url
        Address of the worker's views.
    log_file
        The worker's log.
    """

    settings: Settings
    url: str
    log_file: Path
    _worker: ChildProcess

    def check_alive(self) -> None:
        """Raise `LocalServiceError`, with the end of its log, if the worker has ended by itself."""
        if not self._worker.running:
            raise LocalServiceError(
                f"the worker ended by itself. Its log {self.log_file} ends with:\n{log_tail(self.log_file)}"
            )


@asynccontextmanager
async def running_stack(
    settings: Settings, data_dir: Path, clock: Clock, say: Callable[[str], None]
) -> AsyncIterator[Stack]:
    """Start servers and worker on this folder; when the context ends, so have all their processes.

    Raises
    ------
    LocalServiceError
        Something does not start; the message says what, with the end of its log.
    """
    kafka, postgres = EmbeddedKafka(data_dir / "kafka"), EmbeddedPostgres(data_dir / "postgres")
    worker: ChildProcess | None = None
    async with AsyncExitStack() as servers:
        try:
            say(f"Starting Kafka and Postgres in {data_dir}")
            settings = _demo_settings(settings, data_dir, kafka)
            await together(
                _start_kafka(servers, kafka, settings, clock),
                _start_postgres(servers, postgres),
            )
            dsn = SecretStr(postgres.dsn_for(_DATABASE))
            settings = settings.model_copy(update={"postgres_dsn": dsn})
            say("Starting the worker")
            log_file = data_dir / "worker.log"
            worker = _launch_worker(settings, log_file, data_dir)
            stack = Stack(settings, f"http://{settings.web_host}:{settings.web_port}", log_file, worker)
            await _until_ready(stack, clock)
            yield stack
        finally:
            _end(worker, kafka, postgres)


def _demo_settings(settings: Settings, data_dir: Path, kafka: EmbeddedKafka) -> Settings:
    """The person's settings, but for the servers: those are ours, on this machine, without passwords."""
    port = settings.web_port if settings.web_port and is_free(settings.web_port) else free_port()
    return absolute_pack(settings).model_copy(
        update={
            "broker": kafka.bootstrap,
            "events_mapping": None,  # what the demo sends is in our own form
            "security_protocol": "PLAINTEXT",
            "sasl_username": None,
            "sasl_password": None,
            "replication_factor": 1,
            "snapshot_key": SecretStr(_snapshot_key(data_dir)),
            "processes": 1,  # one that is watched, on one free port
            "instance_id": "demo",  # after a kill, the next demo on the same data goes on at once
            "web_host": "127.0.0.1",
            "web_port": port,
            "advertised_url": None,
        }
    )


def _snapshot_key(data_dir: Path) -> str:
    """The key of this folder's models: made up once, and kept beside them."""
    file = data_dir / "snapshot.key"
    if not file.is_file():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32), encoding="ascii")
    return file.read_text(encoding="ascii")


async def _start_kafka(servers: AsyncExitStack, kafka: EmbeddedKafka, settings: Settings, clock: Clock) -> None:
    await servers.enter_async_context(kafka)
    admin = await connect_admin(settings, clock)
    try:
        await ensure_topics(admin, settings, load_pack(settings.pack))
    finally:
        await admin.close()


async def _start_postgres(servers: AsyncExitStack, postgres: EmbeddedPostgres) -> None:
    await servers.enter_async_context(postgres)
    await migrate(postgres.dsn_for(_DATABASE))


def _launch_worker(settings: Settings, log_file: Path, data_dir: Path) -> ChildProcess:
    return ChildProcess(
        "The worker",
        # -P: nothing in the working directory counts as a Python module.
        [sys.executable, "-P", "-m", "ubi_stream.cli.main", "worker"],
        log_file=log_file,
        cwd=data_dir,  # away from a .env file: the environment says all
        env=child_environment(settings),
    )


async def _until_ready(stack: Stack, clock: Clock) -> None:
    deadline_s = clock.monotonic_s() + _READY_WITHIN_S
    async with aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, headers=key_headers()) as session:
        while True:
            stack.check_alive()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{stack.url}/health/ready") as answer:
                    if answer.status == 200:
                        return
            if clock.monotonic_s() > deadline_s:
                raise LocalServiceError(
                    f"the worker was not ready within {_READY_WITHIN_S:g} s. Its log {stack.log_file} ends with:\n"
                    f"{log_tail(stack.log_file)}"
                )
            await asyncio.sleep(_READY_POLL_S)


def _end(worker: ChildProcess | None, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
    """End the worker first, so that it can finish its barrier, then both servers at once.

    It blocks: nothing can cancel it, so nothing stays behind.
    """
    try:
        if worker is not None:
            worker.stop(_WORKER_STOP_S)
    finally:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda server: server.stop(), (kafka, postgres)))
