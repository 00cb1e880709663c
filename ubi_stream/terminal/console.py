"""Where the command line writes, and how it runs coroutines.

Results go to standard output, all that is said about them to standard error: `ubi replay … --offline | jq` works.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeVar

import uvloop
from rich.console import Console

T = TypeVar("T")

# Width of what is not a terminal: sentences and tables in a log are not cut at 80 columns.
_WIDE = 200


def terminal(stream: IO[str]) -> Console:
    """A console on this stream; it neither colours nor wraps where that is a file or a pipe."""
    return Console(file=stream, width=None if stream.isatty() else _WIDE, highlight=False)


def stdout() -> Console:
    """Console for results."""
    return terminal(sys.stdout)


def stderr() -> Console:
    """Console for progress, summaries and errors."""
    return terminal(sys.stderr)


def say(sentence: str) -> None:
    """Tell the person something that is not a result; `[bold]` and the like are markup."""
    stderr().print(sentence, soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """A number of things, in words.

    >>> counted(1, "event"), counted(1200, "dead letter")
    ('1 event', '1,200 dead letters')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_event(broker: str, topic: str) -> str:
    """A line for a shell that sends one event, keyed by its user, to a Kafka."""
    event = (
        '{"event_time": "\'$(date -u +%FT%TZ)\'", "event_type": "view", "user_id": "u-1", '
        '"properties": {"category": "shoes", "price": 59.9}}'
    )
    return f"echo 'u-1:{event}' | kcat -P -b {broker} -t {topic} -K : -X partitioner=murmur2_random"


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own; Ctrl-C cancels it, and then ends the command.

    Libraries are silent meanwhile: what the person has to know is said in a sentence of ours. Only `ubi worker` logs.
    """
    with _silence(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@contextmanager
def _silence() -> Iterator[None]:
    import structlog  # noqa: PLC0415 - loads rich's tracebacks and pygments

    nowhere, before = logging.NullHandler(), structlog.get_config()
    logging.getLogger().addHandler(nowhere)  # without any handler, warnings go to standard error
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.getLogger().removeHandler(nowhere)
