"""Query parameters are taken within their limits, and everything else is refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request

from ubi_stream.insights.model import Severity
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.problems import ProblemError

NAMES = ("severity", "user_id", "since", "until", "limit")
NOON = datetime(2019, 10, 1, 12, tzinfo=UTC)


def parameters(query: str) -> Parameters:
    return Parameters(make_mocked_request("GET", f"/?{query}"), NAMES)


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
    assert parameters(f"since={text}").time("since") == expected


@pytest.mark.parametrize(
    "text", ["yesterday", "1569931200", "2019-13-01", "0001-01-01T00:00:00%2B05:00", "2019-10-01T25"]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="expected a time like 2019-10-01T12:00:00Z"):
        parameters(f"since={text}").time("since")


def test_a_span_needs_its_start_before_its_end() -> None:
    assert parameters("since=2019-10-01&until=2019-10-02").span()[0] == NOON.replace(hour=0)
    assert parameters("").span() == (None, None)
    for until in ("2019-10-01", "2019-09-30"):
        with pytest.raises(ProblemError, match="since is not before until"):
            parameters(f"since=2019-10-01&until={until}").span()


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("500", 500), ("007", 7)])
def test_whole_numbers(text: str, expected: int) -> None:
    assert parameters(f"limit={text}").whole_number("limit", 50, least=1, most=500) == expected


def test_a_number_that_is_not_given_is_the_default() -> None:
    assert parameters("").whole_number("limit", 50, least=1, most=500) == 50


@pytest.mark.parametrize("text", ["0", "501", "-1", "1.5", "1e2", "ten", "٣", "9" * 400, "1_0"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ProblemError, match="expected a whole number from 1 to 500"):
        parameters(f"limit={text}").whole_number("limit", 50, least=1, most=500)


def test_choices() -> None:
    assert parameters("severity=high").choice("severity", Severity) == "high"
    assert parameters("").choice("severity", Severity) is None
    with pytest.raises(ProblemError, match="expected one of: info, low, medium, high"):
        parameters("severity=HIGH").choice("severity", Severity)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sevrity=high", "There is no parameter 'sevrity'; there are: severity, user_id"),
        ("severity=high&severity=low", "severity is given twice"),
        ("user_id=", "user_id is empty"),
        (f"user_id={'x' * 513}", "longer than 512"),
        ("user_id=a%00b", "a character that no text here has"),
    ],
)
def test_what_no_view_can_mean_is_refused(query: str, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        parameters(query)


def test_a_message_quotes_no_more_than_a_line() -> None:
    with pytest.raises(ProblemError) as caught:
        parameters(f"since={'x' * 500}").time("since")
    assert len(caught.value.detail) < 150
