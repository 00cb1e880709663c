"""Fail-stop: a worker that can't go on safely says why, and ends with its own exit code, at once.

Nothing is cleaned up on the way: whatever is not done is not committed, so that the next start does it again. A
supervisor starts the worker anew.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NoReturn

import structlog

from ubi_stream.errors import UbiError
from ubi_stream.reasons import FailStopReason

BUG_EXIT_CODE = 70


class FailStop:
    """Ends the process.

    Parameters
    ----------
    on_trip
        Told the reason before the end: for a metric.
    end
        Ends the process with an exit code; a test gives another.
    """

    def __init__(
        self,
        on_trip: Callable[[FailStopReason], None] = lambda _reason: None,
        end: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self._on_trip = on_trip
        self._end = end
        self._log = structlog.get_logger("ubi_stream.failstop")

    def trip(self, reason: FailStopReason, error: BaseException) -> NoReturn:
        """Log why, and end the process: with the error's own code, or 70 where it is a bug of ours."""
        code = error.exit_code if isinstance(error, UbiError) else BUG_EXIT_CODE
        if isinstance(error, UbiError):
            self._log.error("fail_stop", reason=reason.value, exit_code=code, message=str(error))
        else:  # the text of any other error may have a user's data in it
            self._log.error("fail_stop", reason=reason.value, exit_code=code, exc_info=error)
        self._on_trip(reason)
        logging.shutdown()
        self._end(code)
