"""Migrations on a real Postgres: together, once, and never over a changed file."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from support.sink_rows import insights_stretch
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError, DatabaseUnavailableError
from ubi_stream.local import EmbeddedPostgres
from ubi_stream.resources import config_dir
from ubi_stream.sinks.database import parse_target, wait_for_database
from ubi_stream.sinks.migrations import migrate, pending, read_migrations
from ubi_stream.sinks.postgres import PostgresSink

ALL = [migration.name for migration in read_migrations()]
ENSURE = "SELECT ensure_insights_partition($1)"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def role(postgres: EmbeddedPostgres, connection: asyncpg.Connection, database: str) -> AsyncIterator[str]:
    """Address of the test's database for a user with no rights but to log in."""
    target = parse_target(database)
    name = f"role_of_{target.database}"
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    yield f"postgresql://{name}:x@{target}"
    await connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


async def partitions(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'insights'::regclass"
    )
    return sorted(row[0] for row in rows)


async def test_several_workers_start_at_once_on_a_server_without_the_database(postgres: EmbeddedPostgres) -> None:
    dsn = postgres.dsn_for('made "by" migrate')
    await wait_for_database(dsn, within_s=0, clock=SystemClock())
    assert await pending(dsn) == ALL
    try:
        applied = await asyncio.gather(*(migrate(dsn) for _ in range(6)))
        assert sorted(map(len, applied)) == [0] * 5 + [len(ALL)]
        assert [name for names in applied for name in names] == ALL
        assert await pending(dsn) == []
        assert await migrate(dsn) == []
    finally:
        admin = await asyncpg.connect(postgres.dsn)
        await admin.execute('DROP DATABASE IF EXISTS "made ""by"" migrate"')
        await admin.close()


async def test_a_changed_file_is_refused_by_name_and_a_new_one_is_applied(database: str, tmp_path: Path) -> None:
    folder = shutil.copytree(config_dir() / "sql", tmp_path / "sql")
    await migrate(database, folder=folder)
    (folder / "0099_more.sql").write_text("CREATE TABLE more (id integer)")
    assert await pending(database, folder=folder) == ["0099_more.sql"]

    with (folder / ALL[1]).open("a") as file:
        file.write("-- afterthought\n")
    for question in (migrate, pending):
        with pytest.raises(ConfigError, match=ALL[1]):
            await question(database, folder=folder)

    shutil.copy(config_dir() / "sql" / ALL[1], folder)
    assert await migrate(database, folder=folder) == ["0099_more.sql"]


async def test_a_file_that_fails_leaves_nothing_of_it(database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id integer)")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id integer); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, folder=tmp_path)
    assert await pending(database, folder=tmp_path) == ["0002_bad.sql"]
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id integer)")
    assert await migrate(database, folder=tmp_path) == ["0002_bad.sql"]


async def test_a_user_without_rights_is_told_what_is_missing(role: str, database: str) -> None:
    with pytest.raises(ConfigError, match=f"may not apply {ALL[0]}"):
        await migrate(role)
    elsewhere = role.replace(f"/{parse_target(database).database}", "/not_there")
    with pytest.raises(ConfigError, match="may not create it: create it, or grant CREATEDB"):
        await migrate(elsewhere)


async def test_a_wrong_password_is_told_at_once(role: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="refuses the login of user 'role_of_"):
        await wait_for_database(role.replace(":x@", ":secret@"), within_s=3_600, clock=SystemClock())


async def test_a_worker_needs_no_rights_but_to_read_and_write(
    role: str, database: str, connection: asyncpg.Connection
) -> None:
    await migrate(database)
    await connection.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {parse_target(role).user}"
    )
    sink = PostgresSink(role, clock=SystemClock())
    try:
        assert await migrate(role) == []
        assert (await sink.write(insights_stretch(0, 5))).insights == 5
    finally:
        await sink.close()
    assert await partitions(connection) == ["insights_2019_10", "insights_default"]


async def test_months_are_made_once_by_workers_that_need_them_at_once(
    database: str, connection: asyncpg.Connection
) -> None:
    await migrate(database)
    changes = [datetime(2019, month, 28, 23, 59, 59, 999_000, tzinfo=UTC) for month in (1, 2, 12)]
    workers = [await asyncpg.connect(database) for _ in range(6)]
    await asyncio.gather(*(worker.executemany(ENSURE, [(change,) for change in changes]) for worker in workers))
    for worker in workers:
        await worker.close()
    assert await partitions(connection) == [
        "insights_2019_01",
        "insights_2019_02",
        "insights_2019_12",
        "insights_default",
    ]


async def test_a_new_month_takes_its_rows_out_of_the_default_partition(
    database: str, connection: asyncpg.Connection
) -> None:
    await migrate(database)
    columns = (
        "id, at, kind, entity, user_id, pack, severity, summary, explanation, evidence, model_version, "
        "source_topic, source_partition, source_offset"
    )
    for at in ("2019-09-30 23:59:59.999Z", "2019-10-01Z", "2019-10-31 23:59:59.999Z", "2019-11-01Z", "1970-01-01Z"):
        await connection.execute(
            f"INSERT INTO insights ({columns}) VALUES "
            f"(gen_random_uuid(), '{at}', 'risk', 'user', 'u', 'p', 'low', 's', '{{}}', '{{}}', 'm', 't', 0, 0)"
        )
    await connection.execute(ENSURE, datetime(2019, 10, 15, tzinfo=UTC))
    await connection.execute(ENSURE, datetime(1970, 1, 1, tzinfo=UTC))
    assert await connection.fetchval("SELECT count(*) FROM insights_2019_10") == 2
    assert await connection.fetchval("SELECT count(*) FROM insights_default") == 3
    assert await connection.fetchval("SELECT count(*) FROM insights") == 5
