"""Ends a coroutine in good order on Ctrl-C, on SIGTERM, and when the terminal is closed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndedBySignal(Exception):  # noqa: N818 - it is no error
    """The person or the system asked us to end, and all is cleaned up.

    Attributes
    ----------
    signal
        Which one came first.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.signal = number

    @property
    def exit_code(self) -> int:
        """Status that a shell expects."""
        return 128 + self.signal.value


async def until_signalled(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`; the first signal cancels it, and later ones change nothing: the cleaning up is on its way.

    Raises
    ------
    EndedBySignal
        A signal came, and `work` has ended.
    """
    loop, received = asyncio.get_running_loop(), list[signal.Signals]()
    task = asyncio.ensure_future(work)

    def end(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            task.cancel()

    for number in _ENDING:
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise EndedBySignal(received[0]) from None
        raise
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
