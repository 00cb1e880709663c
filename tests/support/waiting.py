"""The one place where a test waits."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

_POLL_S = 0.02

T = TypeVar("T")


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], within_s: float = ..., message: str = ...) -> T: ...
@overload
async def eventually(predicate: Callable[[], T], within_s: float = ..., message: str = ...) -> T: ...


async def eventually(predicate: Callable[[], object], within_s: float = 10.0, message: str = "") -> object:
    """Return the first true value of `predicate`, asked every 20 ms.

    Parameters
    ----------
    predicate
        A function or coroutine function without arguments.
    within_s
        Deadline in seconds, for the predicate's own time as well.
    message
        What was awaited, for the failure.

    Raises
    ------
    AssertionError
        It wasn't true in time; says what it was last.
    """
    deadline = time.monotonic() + within_s
    value: object = None
    while (left_s := deadline - time.monotonic()) > 0:
        answer = predicate()
        if inspect.isawaitable(answer):
            try:
                value = await asyncio.wait_for(answer, left_s)
            except TimeoutError:
                break
        else:
            value = answer
        if value:
            return value
        await asyncio.sleep(_POLL_S)
    raise AssertionError(f"{message or 'condition'}: not true within {within_s:g} s; last value {value!r}")
