"""Query parameters are read within their bounds, and everything else is refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import parse_qsl

import msgspec
import pytest
from msgspec import Meta

from ubi_stream.insights.model import Severity
from ubi_stream.web.problems import ProblemError
from ubi_stream.web.query import check_query, ordered, read_query

NOON = datetime(2019, 10, 1, 12, tzinfo=UTC)


class Query(msgspec.Struct, frozen=True):
    severity: Severity | None = None
    user_id: str | None = None
    since: Annotated[datetime | None, Meta(description="a time")] = None
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    limit: Annotated[Annotated[int, Meta(ge=1, le=500)] | None, Meta(description="how many")] = 50
    whole: bool = False


def read(query: str) -> Query:
    return read_query(parse_qsl(query, keep_blank_values=True), Query)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-10-01T12:00:00Z", NOON),
        ("2019-10-01T12:00:00", NOON),
        ("2019-10-01T14:00:00%2B02:00", NOON),
        ("2019-10-01T14:00:00+02:00", NOON),
        ("2019-10-01T14:00:00+0200", NOON),
        ("2019-10-01T07:00:00-05:00", NOON),
        ("2019-10-01 12:00:00", NOON),
        ("2019-10-01T12:00:00.250Z", NOON.replace(microsecond=250_000)),
        ("2019-10-01", NOON.replace(hour=0)),
    ],
)
def test_times_are_iso_8601_and_utc_unless_they_say_otherwise(text: str, expected: datetime) -> None:
    assert read(f"since={text}").since == expected


@pytest.mark.parametrize(
    "text", ["yesterday", "1569931200", "2019-13-01", "0001-01-01T00:00:00%2B05:00", "2019-10-01T25"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="expected a time like 2019-10-01T12:00:00Z"):
        read(f"since={text}")


def test_a_span_needs_its_start_before_its_end() -> None:
    assert ordered(NOON, None) == (NOON, None)
    for until in (NOON, NOON.replace(hour=11)):
        with pytest.raises(ProblemError, match="since is not before until"):
            ordered(NOON, until)


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("500", 500), ("007", 7)])
def test_whole_numbers(text: str, expected: int) -> None:
    assert read(f"limit={text}").limit == expected


def test_what_is_not_given_is_the_default() -> None:
    assert read("") == Query()


@pytest.mark.parametrize("text", ["0", "501", "-1", "1.5", "1e2", "ten", "٣", "9" * 400, "1_0"])
def test_other_whole_numbers_are_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="expected a whole number from 1 to 500"):
        read(f"limit={text}")


@pytest.mark.parametrize("text", ["1.01", "-0.1", "nan", "inf", "1e-3", ".5"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="expected a number from 0 to 1"):
        read(f"share={text}")


def test_choices_and_truth() -> None:
    assert read("severity=high").severity is Severity.HIGH
    assert read("whole=true").whole
    with pytest.raises(ProblemError, match="expected one of: "):
        read("severity=HIGH")
    with pytest.raises(ProblemError, match="expected true or false"):
        read("whole=1")


@pytest.mark.parametrize(
    ("query", "predicted"),
    [
        ("sevrity=high", "There is no parameter 'sevrity'; there are: severity, user_id"),
        ("severity=high&severity=low", "severity is given twice"),
        ("user_id=", "user_id is empty"),
        (f"user_id={'x' * 513}", "longer than 512"),
        ("user_id=a%00b", "a character that no text here has"),
    ],
)
def test_what_no_route_can_mean_is_refused(query: str, predicted: str) -> None:
    with pytest.raises(ProblemError, match=predicted):
        read(query)


def test_a_message_quotes_no_more_than_a_line() -> None:
    with pytest.raises(ProblemError) as caught:
        read(f"since={'x' * 500}")
    assert len(caught.value.detail) < 150


def test_a_struct_that_no_query_can_be_is_refused_at_the_start() -> None:
    class Nested(msgspec.Struct):
        names: list[str] = []

    check_query(Query)
    with pytest.raises(TypeError, match="no type of a parameter"):
        check_query(Nested)
