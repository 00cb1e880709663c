"""What a log line says, and what it must never say."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from ubi_stream.clock import ManualClock
from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.ids import log_hash
from ubi_stream.runtime.logs import MAX_TEMPLATES, RepeatFilter, configure_logging
from ubi_stream.settings import Settings

USER = "ann@example.org"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_569_888_000_123)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(stream: io.StringIO, clock: ManualClock) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Configures logging as a worker does; gives the lines written so far."""
    root, levels = logging.getLogger(), {}
    for name in ("", "aiokafka", "kafka", "faust", "mode", "aiohttp", "asyncio", "asyncpg", "py.warnings"):
        levels[name] = logging.getLogger(name).level
    handlers = list(root.handlers)
    configure_logging(Settings(), clock=clock, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


Lines = Callable[[], list[dict[str, Any]]]


def test_a_line_is_json_with_time_level_event_and_logger_first(lines: Lines, stream: io.StringIO) -> None:
    structlog.get_logger("ubi_stream.sinks.postgres").info("database_back", attempts=3, trace_id="t-1")
    assert lines() == [
        {
            "at": "2019-10-01T00:00:00.123Z",
            "level": "info",
            "event": "database_back",
            "logger": "ubi_stream.sinks.postgres",
            "attempts": 3,
            "trace_id": "t-1",
        }
    ]
    assert list(lines()[0])[:4] == ["at", "level", "event", "logger"]


def test_libraries_write_the_same_lines(lines: Lines) -> None:
    logging.getLogger("aiokafka.conn").error("Unable connect to node with id %s: %s", 1, ConnectionRefusedError(111))
    assert lines() == [
        {
            "at": "2019-10-01T00:00:00.123Z",
            "level": "error",
            "event": "Unable connect to node with id 1: 111",
            "logger": "aiokafka.conn",
        }
    ]


def test_libraries_chatter_stays_out_but_their_warnings_do_not(lines: Lines) -> None:
    logging.getLogger("faust.worker").info("[^Worker]: Ready")
    logging.getLogger("aiohttp.access").info("GET /api/v1/users/ann")
    logging.getLogger("mode.threads").warning("slow")
    assert [line["event"] for line in lines()] == ["slow"]


def test_a_storm_of_one_library_message_is_one_line_in_five_seconds_with_its_count(
    lines: Lines, clock: ManualClock
) -> None:
    # s        0.0 … 4.9             5.0
    # logged   100 (one let through)   1 (let through, says 99 were held back)
    log = logging.getLogger("aiokafka.client")
    for number in range(100):
        log.error("Unable connect to node with id %s: %s", number, "refused")
    clock.advance_ms(4_999)
    log.error("Unable connect to node with id %s: %s", 7, "refused")
    assert [line.get("suppressed") for line in lines()] == [None]
    clock.advance_ms(1)
    log.error("Unable connect to node with id %s: %s", 8, "refused")
    assert [line.get("suppressed") for line in lines()] == [None, 100]


def test_messages_that_differ_in_numbers_only_are_one_message(lines: Lines) -> None:
    log = logging.getLogger("faust.transport")
    for number in range(10):
        log.error(f"partition {number} at 0x{number:x}f is behind")
    log.error("something else")
    assert [line["event"] for line in lines()] == ["partition 0 at 0x0f is behind", "something else"]


def test_our_own_lines_are_never_held_back(lines: Lines) -> None:
    for _ in range(10):
        structlog.get_logger("ubi_stream.x").warning("row_refused")
    assert len(lines()) == 10


def test_the_filter_remembers_a_bounded_number_of_messages(clock: ManualClock) -> None:
    repeat = RepeatFilter(clock)

    def passes(template: str) -> bool:
        return repeat.filter(logging.LogRecord("lib", logging.ERROR, "", 0, template, None, None))

    def letters(number: int) -> str:
        return "".join(chr(ord("a") + int(digit)) for digit in str(number))

    assert passes("first")
    assert not passes("first")
    assert all(passes(letters(number)) for number in range(MAX_TEMPLATES))
    assert passes("first")  # forgotten: said again rather than kept for ever


@pytest.mark.parametrize("name", ["user_id", "entity_id", "session_id"])
def test_ids_are_hashed_whoever_logs_them(lines: Lines, stream: io.StringIO, name: str) -> None:
    structlog.get_logger("ubi_stream.x").info("seen", **{name: USER})
    assert lines()[0][f"{name}_hash"] == log_hash(USER)
    assert USER not in stream.getvalue()


def test_a_record_s_key_is_hashed(lines: Lines, stream: io.StringIO) -> None:
    structlog.get_logger("ubi_stream.x").info("seen", key=USER.encode())
    assert lines()[0]["key_hash"] == log_hash(USER)
    assert USER not in stream.getvalue()


def test_errors_say_type_and_place_but_not_the_value_they_failed_on(lines: Lines, stream: io.StringIO) -> None:
    users: dict[str, int] = {}
    try:
        users[USER]
    except KeyError:
        structlog.get_logger("ubi_stream.x").exception("crashed")
    try:
        int(USER)
    except ValueError as error:
        logging.getLogger("mode.services").exception("Crashed reason=%r", error)
    local, theirs = lines()
    assert (local["error"], theirs["error"]) == ("KeyError", "ValueError")
    assert theirs["event"] == "Crashed reason='ValueError'"
    for line in (local, theirs):
        assert line["raised_at"][-1].endswith("test_errors_say_type_and_place_but_not_the_value_they_failed_on")
    assert USER not in stream.getvalue()


def test_errors_about_servers_keep_their_sentence(lines: Lines) -> None:
    try:
        raise BrokerUnavailableError("Kafka at 127.0.0.1:9092 can't be reached")
    except BrokerUnavailableError as error:
        structlog.get_logger("ubi_stream.x").error("start_failed", exc_info=error)
    assert lines()[0]["error_text"] == "Kafka at 127.0.0.1:9092 can't be reached"


def test_asyncio_s_note_of_a_lost_task_has_no_data_in_it(lines: Lines, stream: io.StringIO) -> None:
    error = KeyError(USER)
    message = f"Task exception was never retrieved\nfuture: <Task exception={error!r}>"
    logging.getLogger("asyncio").error(message, exc_info=(KeyError, error, None))
    assert lines()[0]["event"] == "Task exception was never retrieved"
    assert lines()[0]["error"] == "KeyError"
    assert USER not in stream.getvalue()


def test_secrets_are_blacked_out(lines: Lines, stream: io.StringIO) -> None:
    structlog.get_logger("ubi_stream.x").info(
        "settings",
        postgres_dsn="postgresql://ann:hunter2@db/ubi",
        sasl_password="hunter2",
        target="postgresql://ann:hunter2@db/ubi",
        snapshot=SecretStr("hunter2"),
    )
    logging.getLogger("asyncpg").warning("no answer from %s", "postgresql://ann:hunter2@db/ubi")
    assert "hunter2" not in stream.getvalue()
    assert lines()[0]["target"] == "postgresql://***@db/ubi"


def test_line_ends_and_terminal_codes_in_values_stay_in_their_line(lines: Lines, stream: io.StringIO) -> None:
    structlog.get_logger("ubi_stream.x").info("seen", path='x\n{"level":"error"}\x1b[31m\u2028', odd="\ud800")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert lines()[0]["path"] == 'x\n{"level":"error"}\x1b[31m\u2028'


def test_python_s_warnings_are_lines_too(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    assert [line["logger"] for line in lines()] == ["py.warnings"]


def test_configuring_again_replaces_the_handler(lines: Lines, stream: io.StringIO, clock: ManualClock) -> None:
    log = structlog.get_logger("ubi_stream.x")
    log.info("before")
    other = io.StringIO()
    configure_logging(Settings(log_level="warning", log_format="text"), clock=clock, stream=other)
    log.info("quiet")
    log.warning("after", attempts=2)
    assert [line["event"] for line in lines()] == ["before"]
    assert other.getvalue() == "2019-10-01T00:00:00.123Z [warning  ] after [ubi_stream.x] attempts=2\n"
