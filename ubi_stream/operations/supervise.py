"""Processes of a worker: kept running while they may, and ended together.

A worker that can't go on safely ends (`docs/operations.md`); somebody has to start it again. Where nothing else does,
`ubi worker --supervise` does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ubi_stream.clock import Clock

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
HEALTHY_S: Final = 60.0
"""A worker that lived for so long begins with the shortest pause again."""
_LOOK_EVERY_S: Final = 0.05
"""How often it is looked whether a process ended or a signal came."""
FOR_GOOD: Final = frozenset({0, 2, 64, 65})
"""Statuses that another start would not change: told to stop, a wrong option, setting or topic."""

Tell = Callable[[int, float], None]


class Supervisor:
    """Keeps processes running until one of them ends for good, or until we are told to stop; then ends all.

    Parameters
    ----------
    command
        What to run.
    environments
        One for each process: it gets our own environment with this.
    tell
        Told of each end that a new start follows: status, and the pause in seconds before it.
    again
        Whether a process that ends by itself is started again. Else its end is that of all.
    first_pause_s
        It doubles with each end of a process, up to 30 s.
    """

    def __init__(
        self,
        command: Sequence[str],
        environments: Sequence[Mapping[str, str]],
        clock: Clock,
        tell: Tell,
        *,
        again: bool = True,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._lives = [
            _Life(command, {**os.environ, **environment}, clock, tell, again=again, first_pause_s=first_pause_s)
            for environment in environments
        ]
        # A plain value: what a handler of signals runs in the midst of may hold the lock of an Event.
        self._signal: int | None = None

    def run(self) -> int:
        """Run until all processes have ended for good; returns the first status that is not 0, or 0."""
        handled = {number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._end_all(self._until_one_ends())
        finally:
            for number, handler in handled.items():
                signal.signal(number, handler)

    def _until_one_ends(self) -> int:
        """Status of the first process that ended for good; 0 if we were told to stop before."""
        while self._signal is None:
            for life in self._lives:
                if self._signal is None and (status := life.look()) is not None:
                    return status
            time.sleep(_LOOK_EVERY_S)
        return 0

    def _end_all(self, first: int) -> int:
        """Ask all that still run to end, and wait for them; returns the first status that is not 0."""
        for life in self._lives:
            life.end(self._signal or signal.SIGTERM)
        statuses = [first, *(life.wait() for life in self._lives)]
        return next((status for status in statuses if status), 0)

    def _pass_on(self, number: int, _frame: object) -> None:
        self._signal = number
        for life in self._lives:
            life.send(number)


class _Life:
    """One process, over all its starts."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        clock: Clock,
        tell: Tell,
        *,
        again: bool,
        first_pause_s: float,
    ) -> None:
        self._command = list(command)
        self._environment = environment
        self._clock = clock
        self._tell = tell
        self._again = again
        self._first_pause_s = self._pause_s = first_pause_s
        self._process: subprocess.Popen[bytes] | None = None
        self._told = False
        self._started_s = 0.0
        self._start_at_s = 0.0

    def look(self) -> int | None:
        """Start it if it is time; its status if it has ended for good."""
        if self._process is None:
            if self._clock.monotonic_s() >= self._start_at_s:
                self._start()
            return None
        status = self._process.poll()
        if status is None:
            return None
        if not self._again or status in FOR_GOOD:
            return _exit_status(status)
        self._rest(status)
        return None

    def send(self, number: int) -> None:
        """Pass a signal on to it, if it runs."""
        if self._process is not None:
            self._told = True
            self._process.send_signal(number)

    def end(self, number: int) -> None:
        """Send it this signal unless it has got one: a second one would not let it finish."""
        if not self._told:
            self.send(number)

    def wait(self) -> int:
        """Wait until it has ended; returns its status, 0 if it did not run."""
        return 0 if self._process is None else _exit_status(self._process.wait())

    def _start(self) -> None:
        self._started_s = self._clock.monotonic_s()
        # A group of its own: Ctrl-C in a terminal reaches it once, through us.
        self._process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)

    def _rest(self, status: int) -> None:
        """Let it start again after a pause."""
        now_s = self._clock.monotonic_s()
        if now_s - self._started_s >= HEALTHY_S:
            self._pause_s = self._first_pause_s
        self._process, self._told = None, False
        self._start_at_s = now_s + self._pause_s
        self._tell(status, self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)


def _exit_status(status: int) -> int:
    return status if status >= 0 else 128 - status
