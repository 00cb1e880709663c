"""How a database that is away is told, and for how long it is waited for."""

from __future__ import annotations

import socket

import asyncpg
import pytest

from ubi_stream.clock import ManualClock
from ubi_stream.errors import ConfigError, DatabaseUnavailableError
from ubi_stream.sinks.database import backoff_s, is_poison, is_retriable, parse_target, wait_for_database


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://ann:secret@db:5433/ubi", "db:5433/ubi"),
        ("postgres://ann:secret@db/ubi", "db:5432/ubi"),
        ("postgresql://ann:secret@/ubi?host=/run/pg", "/run/pg/ubi"),
        ("postgresql://ann:secret@one:1,two:2/ubi?sslmode=require", "one:1,two:2/ubi"),
        ("postgresql://ann:secret@db:5433", "db:5433/ann"),
        ("postgresql://ann:se%40cret@db:5433/my%20db", "db:5433/my db"),
    ],
)
def test_target_of_a_dsn_shows_no_password(dsn: str, shown: str) -> None:
    assert str(parse_target(dsn)) == shown


@pytest.mark.parametrize("dsn", ["host=db password=secret", "mysql://ann:secret@db/ubi", "postgresql://a:sec/ret@db/x"])
def test_dsn_that_is_no_address_is_refused_without_showing_it(dsn: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_target(dsn)
    assert "sec" not in str(caught.value)


def test_backoff_grows_to_its_bound_and_spreads_by_salt() -> None:
    waits = [backoff_s(attempt) for attempt in range(200)]
    assert 0.075 <= waits[0] <= 0.125
    assert all(0 < wait <= 6.25 for wait in waits)
    assert all(wait >= 3.75 for wait in waits[6:])
    assert len({round(backoff_s(9, salt=salt), 3) for salt in range(20)}) == 20


@pytest.mark.parametrize(
    ("error", "retriable", "poison"),
    [
        (asyncpg.ConnectionDoesNotExistError(""), True, False),
        (asyncpg.AdminShutdownError(""), True, False),
        (asyncpg.SerializationError(""), True, False),
        (asyncpg.DeadlockDetectedError(""), True, False),
        (asyncpg.DiskFullError(""), True, False),
        (asyncpg.InvalidPasswordError(""), True, False),
        (asyncpg.ReadOnlySQLTransactionError(""), True, False),
        (asyncpg.QueryCanceledError(""), True, False),
        (asyncpg.InterfaceError(""), True, False),
        (asyncpg.InternalClientError(""), True, False),
        (ConnectionResetError(), True, False),
        (TimeoutError(), True, False),
        (asyncpg.UntranslatableCharacterError(""), False, True),
        (asyncpg.CheckViolationError(""), False, True),
        (asyncpg.ProgramLimitExceededError(""), False, True),
        (OverflowError(), False, True),
        (asyncpg.UndefinedTableError(""), False, False),
        (asyncpg.PostgresSyntaxError(""), False, False),
    ],
)
def test_errors_are_told_apart_by_sqlstate(error: Exception, retriable: bool, poison: bool) -> None:
    assert (is_retriable(error), is_poison(error)) == (retriable, poison)


async def test_waiting_ends_in_time_with_a_sentence_that_names_the_server() -> None:
    clock = ManualClock()
    retries: list[tuple[int, str]] = []

    async def sleep(seconds: float) -> None:
        clock.advance_ms(int(seconds * 1000) + 1)

    with socket.socket() as closed:  # bound but not listening: nobody else takes the port, and nobody answers
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(DatabaseUnavailableError) as caught:
            await wait_for_database(
                f"postgresql://ann:secret@127.0.0.1:{port}/ubi",
                within_s=20,
                clock=clock,
                on_retry=lambda attempt, code: retries.append((attempt, code)),
                sleep=sleep,
            )
    assert f"127.0.0.1:{port}/ubi did not answer within 20 s" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert [attempt for attempt, _ in retries] == list(range(1, len(retries) + 1))
    assert {code for _, code in retries} == {"ConnectionRefusedError"}
    assert 10 < clock.monotonic_s() <= 20


async def test_who_asks_once_is_not_told_of_a_time() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dsn = f"postgresql://127.0.0.1:{closed.getsockname()[1]}/ubi"
        with pytest.raises(DatabaseUnavailableError, match=r"/ubi does not answer \(ConnectionRefusedError\)"):
            await wait_for_database(dsn, within_s=0, clock=ManualClock())
