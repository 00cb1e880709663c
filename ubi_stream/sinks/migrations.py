"""Brings the database's schema up to date: the numbered files of `config/sql`, each once, in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from ubi_stream.errors import ConfigError
from ubi_stream.resources import config_dir
from ubi_stream.sinks.database import CONNECT_TIMEOUT_S, Target, parse_target

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

_LOCK_KEY = 7_025_803_041_977_344_001
"""Any number will do, as long as no other program of the database takes the same."""

_CREATE_HISTORY = """
CREATE TABLE schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One file: its number, name, text, and the hash of the text."""

    version: int
    name: str
    sql: str
    sha256: str


def read_migrations(folder: Path | None = None) -> list[Migration]:
    """The files of a folder (default: the shipped ones), by number.

    Raises
    ------
    ConfigError
        A file's name is not like `0001_insights.sql`, or two share a number.
    """
    found: dict[int, Migration] = {}
    for path in sorted((folder or config_dir() / "sql").glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ConfigError(f"{path.name}: a migration is named like 0001_insights.sql")
        version = int(match[1])
        if version in found:
            raise ConfigError(f"{path.name} has the same number as {found[version].name}")
        sql = path.read_text(encoding="utf-8")  # read as text, so that the hash does not depend on line ends
        found[version] = Migration(version, path.name, sql, hashlib.sha256(sql.encode()).hexdigest())
    return [found[version] for version in sorted(found)]


async def migrate(dsn: str, *, folder: Path | None = None) -> list[str]:
    """Create the database if it is missing and apply what is pending, each file in a transaction of its own.

    Several workers may call this at once: an advisory lock lets one apply, and the others find nothing left to do.
    Versions that the database has and this release does not are left alone: a newer release has been here.

    Returns
    -------
    list of str
        Names of the files applied now, in order.

    Raises
    ------
    ConfigError
        A file was changed after it had been applied, or the user may not create the database or its tables.
    """
    migrations = read_migrations(folder)
    target = parse_target(dsn)
    connection = await _connect_or_create(dsn, target)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)  # released when the connection closes
        applied: list[str] = []
        for migration in _pending(migrations, await _history(connection)):
            await _apply(connection, migration, target)
            applied.append(migration.name)
        return applied
    finally:
        await connection.close()


async def pending(dsn: str, *, folder: Path | None = None) -> list[str]:
    """Names of the files that `migrate` would apply now. Changes nothing.

    Raises
    ------
    ConfigError
        A file was changed after it had been applied.
    """
    migrations = read_migrations(folder)
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        return [migration.name for migration in migrations]
    try:
        return [migration.name for migration in _pending(migrations, await _history(connection))]
    finally:
        await connection.close()


def _pending(migrations: Sequence[Migration], applied: dict[int, str]) -> list[Migration]:
    for migration in migrations:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise ConfigError(
                f"{migration.name} was changed after it had been applied: restore it, and put the change in a new file"
            )
    return [migration for migration in migrations if migration.version not in applied]


async def _history(connection: Any) -> dict[int, str]:
    if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return {}
    rows = await connection.fetch("SELECT version, sha256 FROM schema_migrations")
    return {row["version"]: row["sha256"] for row in rows}


async def _apply(connection: Any, migration: Migration, target: Target) -> None:
    try:
        async with connection.transaction():
            if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
                await connection.execute(_CREATE_HISTORY)
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.sha256,
            )
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(
            f"User {target.user!r} may not apply {migration.name} to {target}: "
            "run `ubi migrate` as the owner of the schema"
        ) from error


async def _connect_or_create(dsn: str, target: Target) -> Any:
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        await _create_database(dsn, target)
    return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)


async def _create_database(dsn: str, target: Target) -> None:
    try:
        connection = await asyncpg.connect(dsn, database="postgres", timeout=CONNECT_TIMEOUT_S)
        try:
            name = target.database.replace('"', '""')
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return  # another worker was faster
    except (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise ConfigError(
            f"Database {target.database!r} does not exist on {target.server}, "
            f"and user {target.user!r} may not create it: create it, or grant CREATEDB"
        ) from error
