"""A delivery that takes too long has failed: the idempotent producer alone would try for ever."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from ubi_stream.errors import DeliveryError
from ubi_stream.kafka.outbox import Acknowledged, acknowledged


def sent(result: BaseException | None = None, *, answered: bool = True) -> Acknowledged:
    future: Acknowledged = asyncio.get_running_loop().create_future()
    if result is not None:
        future.set_exception(result)
    elif answered:
        future.set_result(None)
    return future


async def test_what_the_broker_has_is_acknowledged() -> None:
    await acknowledged([sent(), sent()], within_s=1)
    await acknowledged([], within_s=1)


async def test_a_broker_that_does_not_answer_in_time_is_a_failed_delivery() -> None:
    with pytest.raises(DeliveryError, match=r"did not take 2 records within 0\.01 s"):
        await acknowledged([sent(), sent(answered=False)], within_s=0.01)


async def test_a_record_that_is_refused_is_a_failed_delivery() -> None:
    with pytest.raises(DeliveryError, match="MessageSizeTooLargeError"):
        await acknowledged([sent(), sent(MessageSizeTooLargeError("too large"))], within_s=1)
