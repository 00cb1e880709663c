"""Logs: one line for each notable thing, ours and the libraries' alike; JSON, or for people on a terminal.

No line names a user: the fields that would are replaced by a hash here, whoever wrote them. No line has a secret.
Libraries repeat themselves while a broker is away (a hundred lines a second), so each of their messages comes through
at most once in five seconds, with the number of those held back.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.errors import UbiError
from ubi_stream.ids import log_hash
from ubi_stream.insights.encoding import iso_time
from ubi_stream.settings import Settings

REPEAT_AFTER_S: Final = 5.0
"""A library's message comes through again after this."""

MAX_TEMPLATES: Final = 1_000
"""Messages remembered; the oldest give way. Libraries have a few dozen."""

_OURS: Final = "ubi_stream"
_CHATTY: Final = (
    *("aiokafka", "kafka", "faust", "mode", "aiohttp", "asyncio", "asyncpg", "py.warnings"),
    *("ubi_stream.kafka", "ubi_stream.runtime.app"),  # services of Faust: each says that it starts
)
"""Loggers with more than notable things at level info: warnings and errors only, unless debugging."""
_PERSONAL: Final = ("user_id", "entity_id", "session_id", "key")
_SECRET: Final = re.compile(
    r"password|secret|token|credential|authorization|dsn|snapshot_key|erasure_key", re.IGNORECASE
)
_CREDENTIALS: Final = re.compile(r"://[^\s/@]*:[^\s/]*@")
_NUMBERS: Final = re.compile(r"0x[0-9a-f]+|\d+")
_TRUSTED_ERRORS: Final = (UbiError, OSError)
"""Errors whose text speaks of servers and files, never of a user."""


def configure_logging(settings: Settings, *, clock: Clock | None = None, stream: TextIO | None = None) -> None:
    """Send all logs of the process through one handler. Calling it again replaces the handler.

    Parameters
    ----------
    settings
        `log_level` and `log_format`.
    clock
        Where time stamps come from; the machine's by default.
    stream
        Where lines go; standard error by default.
    """
    clock, stream = clock or SystemClock(), stream or sys.stderr
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _Stamp(clock),
        _add_suppressed,
        _describe_exception,
        _protect,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *chain,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # loggers of modules made before this call follow it as well
    )
    handler = _Handler(stream)
    handler.addFilter(RepeatFilter(clock))
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings, stream)],
        )
    )
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
    logging.captureWarnings(True)


class RepeatFilter(logging.Filter):
    """Lets each message of a library through at most once in five seconds; our own always.

    Messages are told apart by logger and template, in which numbers don't count. A message that comes through carries
    `suppressed`, the number of those held back since the one before.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record comes through."""
        if record.name.split(".", 1)[0] == _OURS:
            return True
        message = (record.name, _NUMBERS.sub("#", str(record.msg)))
        now_s = self._clock.monotonic_s()
        last_s, held_back = self._seen.pop(message, (None, 0))
        if last_s is not None and now_s - last_s < REPEAT_AFTER_S:
            self._seen[message] = (last_s, held_back + 1)
            return False
        self._seen[message] = (now_s, 0)
        if len(self._seen) > MAX_TEMPLATES:
            self._seen.popitem(last=False)
        record.suppressed = held_back
        return True


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of ours, to be told from others'."""


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Keeps what errors say about data out of the libraries' messages: `Crashed reason=KeyError('u17')`."""

    def format(self, record: logging.LogRecord) -> str:
        if record.args:
            record = logging.makeLogRecord(record.__dict__)  # other handlers get the record as it was
            if isinstance(record.args, Mapping):
                record.args = {name: _safe_argument(value) for name, value in record.args.items()}
            elif record.args is not None:
                record.args = tuple(_safe_argument(value) for value in record.args)
        if record.name == "asyncio" and isinstance(record.msg, str):
            record = logging.makeLogRecord({**record.__dict__, "msg": record.msg.partition("\n")[0]})
        return super().format(record)


def _safe_argument(value: object) -> object:
    if isinstance(value, BaseException) and not isinstance(value, _TRUSTED_ERRORS) and _names_data(value):
        return type(value).__name__
    return value


def _names_data(error: BaseException) -> bool:
    """Whether the error is of Python itself: these quote the value that they failed on. Clients' own don't."""
    return type(error).__module__ == "builtins"


class _Stamp:
    """Adds the time, in UTC with milliseconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["at"] = iso_time(self._clock.now_ms())
        return event


def _add_suppressed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    suppressed = getattr(record, "suppressed", None)
    if suppressed:
        event["suppressed"] = suppressed
    return event


def _describe_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and where it was raised; its text only where that names no data."""
    found = event.pop("exc_info", None)
    record = event.get("_record")
    if not found and record is not None:
        found, record.exc_info, record.exc_text = record.exc_info, None, None
    if found is True:
        found = sys.exc_info()
    if isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[1] is not None:
        error, trace = found[1], found[2]
        event["error"] = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        if isinstance(error, _TRUSTED_ERRORS):
            event["error_text"] = str(error)
        event["raised_at"] = _frames(trace)
    return event


def _frames(trace: TracebackType | None) -> list[str]:
    """The innermost frames, outermost first: enough to find a bug, without lines of values."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-8:]]


def _protect(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hash ids of users, and black out secrets, whatever the caller passed."""
    for name in _PERSONAL:
        if event.get(name) is not None:
            value = event.pop(name)
            event[f"{name}_hash"] = log_hash(value.decode(errors="replace") if isinstance(value, bytes) else str(value))
    for name, value in event.items():
        if _SECRET.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _CREDENTIALS.sub("://***@", value)
    return event


def _renderer(settings: Settings, stream: TextIO) -> Processor:
    if settings.log_format == "text" or (settings.log_format == "auto" and stream.isatty()):
        return structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at", pad_event_to=0)
    return _render_json


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line: time, level, what and who first. ASCII, so that no value can steer a terminal."""
    line: dict[str, Any] = {name: event.pop(name, None) for name in ("at", "level", "event", "logger")}
    return json.dumps({**line, **event}, default=str)
