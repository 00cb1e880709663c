"""A look at Kafka, Postgres and a worker: do they answer, and what do they say in one sentence."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec

from ubi_stream.clock import SystemClock
from ubi_stream.errors import UbiError
from ubi_stream.kafka.client import connect_admin
from ubi_stream.operations.demo.figures import fetch_figures
from ubi_stream.operations.servers import ask_database, ask_worker, key_headers
from ubi_stream.settings import Settings
from ubi_stream.sinks.database import parse_target
from ubi_stream.sinks.queries import Database

_HTTP_S = 10.0


class Looked(msgspec.Struct, frozen=True):
    """One server: whether it answers, and a sentence about it."""

    name: str
    up: bool
    text: str


async def look_around(settings: Settings, url: str) -> list[Looked]:
    """Look at all of them at the same time."""
    settings = settings.model_copy(update={"startup_timeout_s": 0.0})  # one attempt: a person waits
    return list(await asyncio.gather(_kafka(settings), _postgres(settings), _worker(url)))


async def _kafka(settings: Settings) -> Looked:
    try:
        admin = await connect_admin(settings, SystemClock())
    except UbiError as error:
        return Looked("Kafka", up=False, text=str(error))
    try:
        topics = set(await admin.list_topics())
    finally:
        await admin.close()
    there = f"topic {settings.events_topic} is there" if settings.events_topic in topics else (
        f"no topic {settings.events_topic} yet: `ubi topics` or a worker makes it"
    )  # fmt: skip
    return Looked("Kafka", up=True, text=f"{settings.broker}, {there}")


async def _postgres(settings: Settings) -> Looked:
    try:
        text = await ask_database(settings, _stored)
    except UbiError as error:
        return Looked("Postgres", up=False, text=str(error))
    return Looked("Postgres", up=True, text=f"{parse_target(settings.postgres_dsn.get_secret_value())}, {text}")


async def _stored(database: Database) -> str:
    row: Any = (
        await database.fetch(
            "SELECT count(*) AS insights, count(*) FILTER (WHERE severity = 'high') AS high, "
            "(SELECT count(*) FROM dead_letters) AS letters FROM insights WHERE at > now() - interval '24 hours'"
        )
    )[0]
    return f"insights of 24 hours: {row['insights']:,}, high: {row['high']:,}; dead letters: {row['letters']:,}"


async def _worker(url: str) -> Looked:
    try:
        ready = await ask_worker(url, "/health/ready")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HTTP_S), headers=key_headers()) as http:
            figures = await fetch_figures(http, url)
    except UbiError as error:
        return Looked("worker", up=False, text=str(error))
    if ready is None:
        return Looked("worker", up=False, text=f"what answers at {url} is no worker")
    return Looked(
        "worker", up=True, text=f"{url}, ready; users: {figures.users:,}, events not processed yet: {figures.lag:,}"
    )
