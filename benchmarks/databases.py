"""Databases that are there for one run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg


@asynccontextmanager
async def new_database(dsn: str, name: str) -> AsyncIterator[None]:
    """An empty database of that name on the server of `dsn`, dropped at the end with whoever is still connected."""
    await execute(dsn, f'CREATE DATABASE "{name}"')
    try:
        yield
    finally:
        await execute(dsn, f'DROP DATABASE "{name}" WITH (FORCE)')


async def execute(dsn: str, statement: str) -> None:
    """Run one statement over a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
