"""`ubi worker --supervise`: starts the worker again when it ends by itself, where nothing else does.

A worker that can't go on safely ends (`docs/operations.md`); somebody has to start it again.
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
_LOOK_EVERY_S: Final = 0.1
"""How often a pause looks whether a signal came."""
FOR_GOOD: Final = frozenset({0, 2, 64, 65})
"""Statuses that another start would not change: told to stop, a wrong option, setting or topic."""


class Supervisor:
    """Keeps one process running until it, or we, are told to stop.

    Parameters
    ----------
    command
        What to run; its environment is ours with `environment`.
    tell
        Told of each end: status, and the pause in seconds before the next start.
    first_pause_s
        It doubles with each end, up to 30 s.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        clock: Clock,
        tell: Callable[[int, float], None],
        *,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._clock = clock
        self._tell = tell
        self._first_pause_s = first_pause_s
        # A plain flag: what a handler of signals runs in the midst of may hold the lock of an Event.
        self._stopping = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run until the process ends for good; returns its status."""
        handled = {number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._keep_running()
        finally:
            for number, handler in handled.items():
                signal.signal(number, handler)

    def _keep_running(self) -> int:
        pause_s = self._first_pause_s
        while True:
            started_s = self._clock.monotonic_s()
            # A group of its own: Ctrl-C in a terminal reaches it once, through us.
            self._process = process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)
            if self._stopping:  # a signal that came just before there was somebody to pass it on to
                process.terminate()
            status = process.wait()
            if self._stopping or status in FOR_GOOD:
                return status if status >= 0 else 128 - status  # as shells tell of a signal
            if self._clock.monotonic_s() - started_s >= HEALTHY_S:
                pause_s = self._first_pause_s
            self._tell(status, pause_s)
            self._pause(pause_s)
            if self._stopping:
                return 0
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _pause(self, pause_s: float) -> None:
        """Wait for so long, or until we are told to stop."""
        end_s = self._clock.monotonic_s() + pause_s
        while not self._stopping and (left_s := end_s - self._clock.monotonic_s()) > 0:
            time.sleep(min(left_s, _LOOK_EVERY_S))

    def _pass_on(self, number: int, _frame: object) -> None:
        self._stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
