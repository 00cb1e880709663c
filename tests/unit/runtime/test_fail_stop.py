"""Fail-stop: the worker says why, and ends with the code of what happened."""

from __future__ import annotations

from typing import NoReturn

import pytest
import structlog

from ubi_stream.errors import (
    BrokerUnavailableError,
    ConfigError,
    ContiguityError,
    DeliveryError,
    RecoveryError,
    StateStoreError,
    TopicLayoutError,
    UbiError,
)
from ubi_stream.reasons import FailStopReason
from ubi_stream.runtime.failstop import FailStop


class EndedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def end(code: int) -> NoReturn:
    raise EndedError(code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 64),
        (TopicLayoutError("x"), 65),
        (BrokerUnavailableError("x"), 69),
        (DeliveryError("x"), 70),
        (RecoveryError("x"), 71),
        (ContiguityError("x"), 72),
        (StateStoreError("x"), 74),
        (ZeroDivisionError("a fault of ours"), 70),
    ],
)
def test_the_exit_code_tells_what_happened(error: Exception, code: int) -> None:
    delivered: list[FailStopReason] = []
    with structlog.testing.capture_logs() as lines, pytest.raises(EndedError) as ended:
        FailStop(delivered.append, end).trip(FailStopReason.DELIVERY_FAILED, error)
    assert ended.value.code == code
    assert delivered == [FailStopReason.DELIVERY_FAILED]
    (line,) = lines
    assert (line["event"], line["reason"], line["exit_code"]) == ("fail_stop", "delivery_failed", code)
    assert ("message" in line) is isinstance(error, UbiError), "the text of any other error may be a user's"
    assert ("exc_info" in line) is not isinstance(error, UbiError), "a stack for our faults alone"
