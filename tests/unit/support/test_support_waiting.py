from __future__ import annotations

import asyncio

import pytest

from support.waiting import eventually


async def test_the_first_true_value_is_returned() -> None:
    delayed_labels = iter([0, None, "", 7])
    assert await eventually(lambda: next(delayed_labels)) == 7


async def test_a_coroutine_function_is_awaited() -> None:
    delayed_labels = iter([False, True])

    async def predicate() -> bool:
        return next(delayed_labels)

    assert await eventually(predicate) is True


async def test_what_never_comes_is_named_with_its_last_value() -> None:
    with pytest.raises(AssertionError, match=r"three insights: not true within 0\.05 s; last value \[\]"):
        await eventually(lambda: [], within_s=0.05, message="three insights")


async def test_a_predicate_that_hangs_does_not_outlast_the_deadline() -> None:
    with pytest.raises(AssertionError, match="answer: not true"):
        await eventually(asyncio.Event().wait, within_s=0.05, message="answer")
