"""Real servers for the tests that need them, started once at their first use; and no test leaves anything behind."""

from __future__ import annotations

import asyncio
import inspect
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.async_api import Browser

from benchmarks.databases import execute
from support import pages
from support.leftovers import Surroundings, tasks_left
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.service import LocalService

_SERVER_FIXTURES = frozenset({"kafka", "postgres", "database"})
_SERVER_FOLDERS = frozenset({"integration", "e2e"})

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` runs the tests marked `slow` too."""
    parser.addoption("--slow", action="store_true", help="run tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that need a server, leave out slow ones, and have coroutine tests checked for tasks left behind."""
    if not config.getoption("--slow"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("slow")])
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
    tests = Path(__file__).parent
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        in_server_folder = item.path.is_relative_to(tests) and item.path.relative_to(tests).parts[0] in _SERVER_FOLDERS
        if in_server_folder or _SERVER_FIXTURES.intersection(item.fixturenames):
            item.add_marker(pytest.mark.server)
        if inspect.iscoroutinefunction(item.obj):
            # Set up before the test's own fixtures, so that it looks after they are gone; but inside `_nothing_left`,
            # which looks for threads when the event loop, and with it the loop's thread pool, is closed.
            item.fixturenames.insert(item.fixturenames.index("_nothing_left") + 1, "_no_tasks_left")


@pytest.fixture(scope="session")
def session_servers() -> list[LocalService]:
    """The servers that outlive a single test."""
    return []


@pytest.fixture(autouse=True)
def _nothing_left(session_servers: list[LocalService]) -> Iterator[None]:
    """Fail a test that leaves threads, processes or a changed environment behind."""
    before = Surroundings()
    yield
    allowed = frozenset(pid for server in session_servers for pid in server.pids)
    if found := before.leftovers(allowed):
        pytest.fail("the test left behind: " + "; ".join(found))


@pytest.fixture
async def _no_tasks_left() -> AsyncIterator[None]:
    """Fail a coroutine test whose tasks are still there when its fixtures are gone."""
    yield
    await asyncio.sleep(0)  # lets tasks that are done or cancelled end
    if found := tasks_left():
        pytest.fail("the test left behind: " + "; ".join(found))


@pytest.fixture(scope="session")
def server_data() -> Iterator[Path]:
    """Folder of the session's servers. Short, and not pytest's own, which keeps the data of the last three runs."""
    with tempfile.TemporaryDirectory(prefix="ubi-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka(server_data: Path, session_servers: list[LocalService]) -> Iterator[EmbeddedKafka]:
    """A real Kafka, without topics; tests tell theirs apart by `topic_prefix`."""
    with EmbeddedKafka(server_data / "kafka") as server:
        session_servers.append(server)
        yield server


@pytest.fixture(scope="session")
def postgres(server_data: Path, session_servers: list[LocalService]) -> Iterator[EmbeddedPostgres]:
    """A real Postgres; tests work in a `database` of their own."""
    with EmbeddedPostgres(server_data / "postgres") as server:
        session_servers.append(server)
        yield server


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Address (DSN) of a new, empty database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    await execute(postgres.dsn, f'CREATE DATABASE "{name}"')
    yield postgres.dsn_for(name)
    if postgres.running:  # a test may have killed it
        await execute(postgres.dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def topic_prefix() -> str:
    """First part of the names of this test's topics and groups; no other test has it."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium, without a window; `support.pages` has what to do with it."""
    async with pages.launched() as browser:
        yield browser
