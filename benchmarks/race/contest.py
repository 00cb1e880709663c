"""One contestant's run: a clean group and clean topics, its process, its course, and its second start."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from benchmarks.databases import new_database
from benchmarks.race import progress
from benchmarks.race.sampling import SAMPLE_S, Course, follow
from ubi_stream.clock import SystemClock
from ubi_stream.errors import LocalServiceError
from ubi_stream.kafka.client import connect_admin
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.ports import free_port
from ubi_stream.local.process import ChildProcess, log_tail
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import all_topics, ensure_topics
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import child_environment

ROOT: Final = Path(__file__).resolve().parents[2]
OTHERS_PYTHON: Final = ROOT / ".venv-bench" / "bin" / "python"
"""Where contestants' packages are (`make bench` installs them): some don't go with the product's versions."""
STALLED_S: Final = 30.0
ASK_S: Final = 0.5
"""Between two looks at a worker's metrics, which cost it some 10 ms each."""
_STOP_WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who runs.

    Attributes
    ----------
    name
        In tables.
    key
        In JSON.
    program
        Module and arguments.
    python
        Interpreter.
    changes
        Settings that are not the default.
    is_product
        It is a whole worker: counts are read from its metrics, and it needs a database.
    keeps_state
        What it has counted is there again after a restart.
    chunked
        Its core gets many events at a time.
    """

    name: str
    key: str
    program: tuple[str, ...]
    python: Path = Path(sys.executable)
    changes: tuple[tuple[str, object], ...] = ()
    is_product: bool = False
    keeps_state: bool = True
    chunked: bool = False

    @property
    def reads_all(self) -> bool:
        """Whether it is fast enough to read all of a race."""
        return self.chunked


_PROGRAMS: Final = "benchmarks.race.contestants"
PRODUCT: Final = Contestant(
    "ubi-stream", "ubi_stream", ("ubi_stream.cli.main", "worker"), is_product=True, chunked=True
)
PRODUCT_TWICE: Final = dataclasses.replace(
    PRODUCT, name="ubi-stream, 2 processes", key="ubi_stream_2", changes=(("processes", 2),)
)
STOCK_FAUST: Final = Contestant("stock Faust", "stock_faust", (f"{_PROGRAMS}.stock_faust", "worker"))
QUIX: Final = Contestant("Quix Streams", "quix", (f"{_PROGRAMS}.quix",), OTHERS_PYTHON)
BYTEWAX: Final = Contestant("Bytewax", "bytewax", (f"{_PROGRAMS}.bytewax_flow",), OTHERS_PYTHON)
BARE_LOOP: Final = Contestant("bare aiokafka loop", "bare_loop", (f"{_PROGRAMS}.bare_loop",), keeps_state=False)
BARE_CHUNKS: Final = Contestant(
    "bare loop, 256 at a time", "bare_chunks", (f"{_PROGRAMS}.bare_loop", "256"), keeps_state=False, chunked=True
)
ALL: Final = (PRODUCT, PRODUCT_TWICE, STOCK_FAUST, QUIX, BYTEWAX, BARE_LOOP, BARE_CHUNKS)


@dataclass(frozen=True, slots=True)
class Track:
    """Servers, and the topic that everybody reads."""

    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres
    settings: Settings
    folder: Path

    @asynccontextmanager
    async def prepared(self, contestant: Contestant) -> AsyncIterator[Settings]:
        """Settings of a run: a new group, empty topics for what comes out, and a new database."""
        name = f"{contestant.key}-{uuid.uuid4().hex[:6]}"
        settings = self.settings.model_copy(update={"app_id": name, **dict(contestant.changes)})
        async with new_database(self.postgres.dsn, name):
            admin = await connect_admin(settings, SystemClock())
            try:
                await ensure_topics(admin, settings, load_pack(settings.pack))
                yield settings.model_copy(update={"postgres_dsn": SecretStr(self.postgres.dsn_for(name))})
            finally:
                await _delete_outputs(admin, settings)
                await admin.close()


class Runner:
    """A contestant's process, and what it has counted."""

    def __init__(self, contestant: Contestant, settings: Settings, folder: Path, name: str = "0") -> None:
        self._contestant = contestant
        self._settings = settings.model_copy(update={"web_port": free_port(in_a_row=settings.processes)})
        self._folder = folder / contestant.key
        self._folder.mkdir(exist_ok=True)
        self._progress = self._folder / f"progress-{name}"
        self.log_file = self._folder / f"{name}.log"
        self.started_s = 0.0
        self._child: ChildProcess | None = None

    @property
    def url(self) -> str:
        """Address of the views."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Addresses of the views of each of its processes."""
        first = self._settings.web_port
        return [f"http://127.0.0.1:{port}" for port in range(first, first + self._settings.processes)]

    @property
    def asks(self) -> bool:
        """Whether looking at its counts costs it something."""
        return self._contestant.is_product

    @property
    def pid(self) -> int:
        """Of its main process."""
        assert self._child is not None, "start() comes first"
        return self._child.pids[0]

    def start(self) -> None:
        """Start the process; it counts from zero."""
        progress.create(self._progress)
        self.started_s = monotonic()
        self._child = ChildProcess(
            self._contestant.name,
            [str(self._contestant.python), "-P", "-m", *self._contestant.program],
            log_file=self.log_file,
            cwd=self._folder,
            env=child_environment(self._settings)
            | {"PYTHONPATH": str(ROOT), progress.VARIABLE: str(self._progress), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def stop(self) -> None:
        """Ask it to end, as its users would."""
        if self._child is not None:
            self._child.stop(_STOP_WITHIN_S)

    def check(self) -> None:
        """Raise, with the end of its log, if it has ended by itself."""
        if self._child is None or not self._child.running:
            raise LocalServiceError(f"{self._contestant.name} ended by itself:\n{log_tail(self.log_file)}")

    async def count(self, session: aiohttp.ClientSession) -> int:
        """Events that went through its core since it was started."""
        if not self._contestant.is_product:
            return progress.read(self._progress)
        return int(await self.metric(session, "ubi_events_total"))

    async def metric(self, session: aiohttp.ClientSession, name: str) -> float:
        """Sum of a metric over its labels and its processes; 0 while nobody answers."""
        return sum([await metric(session, url, name) for url in self.urls])


async def watched(runners: Sequence[Runner], total: int, stalled_after_s: float = STALLED_S) -> Course:
    """Look at processes that share the work."""

    def check() -> None:
        for runner in runners:
            runner.check()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

        async def count() -> int:
            return sum([await runner.count(session) for runner in runners])

        return await follow(
            [runner.pid for runner in runners],
            count,
            total,
            started_s=min(runner.started_s for runner in runners),
            stalled_after_s=stalled_after_s,
            every_s=ASK_S if runners[0].asks else SAMPLE_S,
            check=check,
        )


async def is_ready(session: aiohttp.ClientSession, runner: Runner) -> bool:
    """Whether all processes of a worker say that they are.

    Raises
    ------
    LocalServiceError
        It has ended.
    """
    runner.check()
    return all([await _is_ready(session, url) for url in runner.urls])


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/ready") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def metric(session: aiohttp.ClientSession, url: str, name: str) -> float:
    """Sum of a metric over its labels; 0 while nobody answers."""
    try:
        async with session.get(f"{url}/metrics") as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return 0.0
    lines = "\n".join(line for line in text.splitlines() if line.startswith(name))
    return sum(s.value for family in text_string_to_metric_families(lines) for s in family.samples if s.name == name)


async def until(condition: Callable[[], Awaitable[bool]], within_s: float, what: str) -> None:
    """Wait until a condition holds.

    Raises
    ------
    LocalServiceError
        It does not in time.
    """
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110 - servers and files set no event
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise LocalServiceError(f"{what}: not within {within_s:.0f} s") from error


async def _delete_outputs(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Delete every topic but the one that is read: ours, and those that frameworks made for the group."""
    local = set(all_topics(settings, load_pack(settings.pack))) - {settings.events_topic}

    async def left() -> list[str]:
        names = await admin.list_topics()
        return [name for name in names if name in local or settings.app_id in name]

    if found := await left():
        await admin.delete_topics(found, timeout_ms=30_000)

    async def gone() -> bool:
        return not await left()

    await until(gone, 30.0, "topics are deleted")
