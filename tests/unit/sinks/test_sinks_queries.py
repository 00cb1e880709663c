"""A page's cursor is read back exactly, and nothing else is taken for one."""

from __future__ import annotations

from datetime import datetime, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubi_stream.sinks.queries import Cursor, InsightFilter, InvalidQueryError, newest_insights


class _NoDatabase:
    async def fetch(self, query: str, /, *args: object) -> list[object]:
        raise AssertionError("a wrong question must not reach the database")


@given(st.datetimes(timezones=st.just(timezone.utc)), st.uuids())  # noqa: UP017 - the strategy wants a class of this module
def test_cursor_is_read_back_exactly(at: datetime, insight_id: UUID) -> None:
    assert Cursor.decode(Cursor(at, insight_id).encode()) == Cursor(at, insight_id)


@pytest.mark.parametrize(
    "text", ["", "x", "AAAA", "é", "\ud800", "f" + "_" * 31, "A" * 31 + "=", "A" * 4_000, "A" * 32 + "\n"]
)
async def test_garbage_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidQueryError):
        await newest_insights(_NoDatabase(), InsightFilter(), cursor=text)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(InvalidQueryError, match="expected 1 to 500"):
        await newest_insights(_NoDatabase(), InsightFilter(), limit=limit)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_no_row_can_have_is_refused(text: str) -> None:
    with pytest.raises(InvalidQueryError, match="user_id"):
        await newest_insights(_NoDatabase(), InsightFilter(user_id=text))
