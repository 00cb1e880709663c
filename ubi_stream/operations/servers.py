"""How a command that only looks asks Postgres and a worker's views, and what it says where they don't answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from ubi_stream.errors import ConfigError, DatabaseUnavailableError, WorkerUnavailableError
from ubi_stream.settings import Settings
from ubi_stream.sinks.database import DATABASE_ERRORS, create_pool, parse_target, sqlstate
from ubi_stream.sinks.queries import Database, InvalidQueryError
from ubi_stream.terminal.configured import load_settings
from ubi_stream.web.address import local_url

Answer = TypeVar("Answer")

_HTTP_S: Final = 10.0
_STATEMENT_S: Final = 30.0
_NO_TABLE: Final = "42P01"


def worker_url(settings: Settings, url: str | None) -> str:
    """Address of the views to ask, without a slash at its end."""
    return (url or local_url(settings.web_host, settings.web_port)).rstrip("/")


def entity_path(entity_id: str) -> str:
    """Path of a user's profile, whatever is in the id.

    >>> entity_path("a/b c")
    '/api/v1/users/a%2Fb%20c'
    """
    return f"/api/v1/users/{quote(entity_id, safe='')}"


def key_headers() -> dict[str, str]:
    """Headers with the key that `UBI_API_KEY` has for the views; none where it is not set."""
    key = load_settings().api_key.get_secret_value()
    return {"Authorization": f"Bearer {key}"} if key else {}


async def ask_database(settings: Settings, query: Callable[[Database], Awaitable[Answer]]) -> Answer:
    """Ask Postgres.

    Raises
    ------
    DatabaseUnavailableError
        It can't be reached, has no tables yet, or does not answer in 30 s.
    ConfigError
        What was asked for makes no sense.
    """
    dsn = settings.postgres_dsn.get_secret_value()
    target = parse_target(dsn)
    try:
        async with await create_pool(dsn, size=1, application="ubi", statement_timeout_s=_STATEMENT_S) as pool:
            return await query(pool)
    except InvalidQueryError as error:
        raise ConfigError(str(error)) from error
    except (*DATABASE_ERRORS, TimeoutError) as error:
        if sqlstate(error) == _NO_TABLE:
            raise DatabaseUnavailableError(
                f"Postgres at {target} has no tables of ours: `ubi migrate` makes them, and a worker fills them"
            ) from error
        raise DatabaseUnavailableError(
            f"Postgres at {target} does not answer ({sqlstate(error)}): is it running? Name one by --dsn or "
            "UBI_POSTGRES_DSN, or start one on this machine with `ubi up`"
        ) from error


async def ask_worker(url: str, path: str, query: dict[str, str] | None = None) -> Any:
    """JSON that a worker's views answer with; None where they answer that there is no such thing.

    Raises
    ------
    WorkerUnavailableError
        No worker answers there, or not now.
    ConfigError
        The worker refuses what was asked for.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HTTP_S)) as http,
            http.get(URL(f"{url}{path}", encoded=True), params=query, headers=key_headers()) as response,
        ):
            status, answer = response.status, await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise WorkerUnavailableError(
            f"no worker answers at {url} ({type(error).__name__}): start one with `ubi worker` or `ubi up`, or name "
            "one by --web-url"
        ) from error
    if status == 200:
        return answer
    if status == 404:
        return None
    detail = f"the worker at {url} answers: {answer.get('detail', status) if isinstance(answer, dict) else status}"
    if status in (401, 403):
        detail += "; UBI_API_KEY is what commands send"
    if 400 <= status < 429:
        raise ConfigError(detail)
    raise WorkerUnavailableError(f"{detail}; `ubi status` shows which servers answer, `ubi doctor` says what to do")
