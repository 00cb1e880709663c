"""The judge of the signal benchmark: right reason, loud enough, in time; and what concerns nothing planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from benchmarks.signal.figures import figures_of, shape_of
from benchmarks.signal.incidents import Incident
from benchmarks.signal.judge import judge_incidents, judge_users
from benchmarks.signal.oracle import Oracle
from benchmarks.signal.planted import Planted
from benchmarks.signal.run import LEVELS, POPULATION, Found
from benchmarks.signal.streams import Stream, everything
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity


@pytest.fixture(scope="module")
def stream() -> Stream:
    return everything(3, 6_000, each=2)


def of_kind(stream: Stream, kind: str) -> Planted:
    return next(planted for planted in stream.planted if planted.kind == kind)


def found(stream: Stream, position: int, summary: str, *, user: str, severity: str = "high", **more: Any) -> Found:
    insight = Insight(
        id=f"{position}-{summary}",
        kind=InsightKind.RISK,
        entity=more.get("entity", "user"),
        user_id=user,
        pack="ecommerce",
        at_ms=stream.times[position],
        label=more.get("label", "rule"),
        score=None,
        confidence=None,
        severity=Severity(severity),
        explanation=Explanation(summary, claims=more.get("claims", ())),
        evidence={},
        model_version="",
        source=InsightSource("events", 0, position),
    )
    return Found(insight, position, stream.arrivals[position], LEVELS.index(insight.severity))


def bot_report(stream: Stream, event: int, summary: str = "60 pages within a minute", severity: str = "high") -> Found:
    bot = of_kind(stream, "fast_bot")
    return found(stream, bot.positions[event], summary, user=bot.user_id, severity=severity)


@pytest.mark.parametrize(
    ("report", "is_found", "is_late"),
    [
        ((59, "60 pages within a minute", "high"), 1, 0),
        ((60, "60 pages within a minute", "high"), 0, 1),
        ((59, "60 pages within a minute", "medium"), 0, 1),
        ((59, "The user is now a browser", "high"), 0, 0),
    ],
    ids=["in time", "an event too late", "not loud enough", "another reason"],
)
def test_a_bot_is_found_for_its_pace_within_60_events_at_high(
    stream: Stream, report: tuple[int, str, str], is_found: int, is_late: int
) -> None:
    row = judge_users(stream, [bot_report(stream, *report)], {})["fast_bot"]
    assert (row.planted, row.found, row.late) == (2, is_found, is_late)
    assert len(row.misses) == 2 - is_found


def test_a_report_before_the_bot_began_is_about_something_else(stream: Stream) -> None:
    bot = of_kind(stream, "fast_bot")
    early = found(stream, bot.positions[0] - 1, "60 pages within a minute", user=bot.user_id)
    assert judge_users(stream, [early], {})["fast_bot"].found == 0


def test_nothing_may_be_said_of_a_night_that_nobody_knows(stream: Stream) -> None:
    unknown = of_kind(stream, "night_unknown")
    assert judge_users(stream, [], {})["night_unknown"].share == 1.0
    predicted = found(stream, unknown.positions[0], "active at 02:00, at night", user=unknown.user_id, severity="low")
    assert judge_users(stream, [predicted], {})["night_unknown"].found == 1


def test_a_night_is_found_if_the_risk_level_says_so_since_its_first_event(stream: Stream) -> None:
    night = of_kind(stream, "night")
    first_ms = stream.times[night.positions[0]]
    assert judge_users(stream, [], {night.user_id: first_ms})["night"].found == 1
    assert judge_users(stream, [], {night.user_id: first_ms + 1})["night"].found == 0


def first_of(stream: Stream, kind: str) -> tuple[Incident, int]:
    incident = next(one for one in stream.incidents if one.kind == kind)
    return incident, next(p for p, time_ms in enumerate(stream.arrivals) if time_ms >= incident.from_ms)


def about_all(stream: Stream, position: int, **more: Any) -> Found:
    return found(stream, position, "the checkout is slow for all", user="user/0", entity=POPULATION, **more)


def test_an_incident_is_found_by_one_insight_about_all_in_time(stream: Stream) -> None:
    _, position = first_of(stream, "slow_checkout")
    once = judge_incidents(stream, [about_all(stream, position)])["slow_checkout"]
    assert (once.found, once.late, once.held_back) == (1, 0, 0)
    twice = judge_incidents(stream, [about_all(stream, position), about_all(stream, position + 1)])["slow_checkout"]
    assert (twice.found, twice.late) == (0, 1)


def test_users_own_after_the_insight_about_all_were_not_held_back(stream: Stream) -> None:
    incident, position = first_of(stream, "slow_checkout")
    own = found(stream, position + 1, "the checkout took 7 s", user="u")
    row = judge_incidents(stream, [about_all(stream, position), own])["slow_checkout"]
    assert row.held_back == int(stream.arrivals[position + 1] < incident.until_ms) == 1


def test_precision_counts_medium_and_high_alone(stream: Stream) -> None:
    stranger = next(user for user in sorted(stream.users) if user not in {p.user_id for p in stream.planted})
    position = 10
    noise = found(stream, position, "unusual", user=stranger, severity="medium")
    quiet = found(stream, position, "unusual", user=stranger, severity="low")
    figures = figures_of(stream, [bot_report(stream, 5), noise, quiet], {})
    assert (figures.matter, figures.concerned, figures.precision) == (2, 1, 0.5)
    assert figures.insights == 3


def test_a_claim_that_the_events_deny_is_false(stream: Stream) -> None:
    bot = of_kind(stream, "fast_bot")
    oracle = Oracle(stream)
    position = bot.positions[40]
    true = Claim("session_depth", 41.0, "events", ">", 30.0, "threshold")
    report = found(stream, position, "41 pages", user=bot.user_id, claims=(true,))
    assert oracle.wrong(report) == []
    false = with_claim(report, Claim("session_depth", 45.0, "events", ">", 30.0, "threshold"))
    assert [value for _, value in oracle.wrong(false)] == [41.0]
    assert oracle.checked == 2


def with_claim(report: Found, claim: Claim) -> Found:
    insight = structs.replace(report.insight, explanation=Explanation("41 pages", claims=(claim,)))
    return replace(report, insight=insight)


def test_sentences_that_differ_in_names_and_numbers_alone_are_the_same() -> None:
    one = shape_of("12.5 minutes in “shoes”, 40 % more than 0b1c2d3e4f50")
    other = shape_of("33 seconds in “lamps”, 7 % more than ffffffffffff")
    assert one == other
