"""What the demo makes of the worker's metrics, the topics and the database; no server runs here."""

from __future__ import annotations

import io
import json
from collections import Counter

import msgspec
import pytest
from rich.console import Console

from ubi_stream.data.sender import SendReport
from ubi_stream.effects import Effects, Tally
from ubi_stream.insights.encoding import encode_insight
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.status import Lag
from ubi_stream.operations.demo.figures import Figures, read_figures
from ubi_stream.operations.demo.insights import InsightFeed
from ubi_stream.operations.demo.report import DemoOutcome, make_outcome, show_outcome
from ubi_stream.operations.demo.topics import Results
from ubi_stream.operations.demo.view import LiveView, Screen, figures_line, sentence_line
from ubi_stream.packs.loader import load_pack

START_S = 1_569_888_000


def insight(
    number: int,
    *,
    user: str = "u1",
    severity: Severity = Severity.LOW,
    entity: str = "user",
    number_of_id: int | None = None,
    summary: str = "Looks at [many] things",
) -> bytes:
    return encode_insight(
        Insight(
            id=f"00000000-0000-0000-0000-{number_of_id or number:012d}",
            kind=InsightKind.RISK,
            entity=entity,
            user_id=user,
            pack="ecommerce",
            at_ms=(START_S + number) * 1000,
            label="bot_pace",
            score=0.5,
            confidence=0.9,
            severity=severity,
            explanation=Explanation(summary),
            evidence={},
            model_version="m",
            source=InsightSource("ubi.events", 0, number),
        )
    )


def test_figures_are_read_from_what_a_worker_tells() -> None:
    metrics = Metrics(load_pack("ecommerce"))
    tally = Tally(accepted=Counter(view=5, cart=2), dead_letters=Counter(too_large=3), duplicates=4, late=1, moved=6)
    metrics.observe(Effects(tally, [], [], [], [], []))
    metrics.users.set(11)
    metrics.set_lag([Lag("ubi.events", 0, 7), Lag("ubi.events", 1, 8)])
    figures = read_figures(metrics.render()[0].decode())
    assert (figures.outcomes["accepted"], figures.outcomes["dead_letter"], figures.outcomes["duplicate"]) == (7, 3, 4)
    assert (figures.late, figures.users, figures.lag) == (1, 11, 15)
    assert figures.processed == 14  # a record that moved is counted where it went


def test_figures_since_are_counts_of_a_run_and_gauges_of_now() -> None:
    before = Figures({"accepted": 10, "duplicate": 1}, late=1, users=5, lag=9)
    now = Figures({"accepted": 30, "duplicate": 1, "dead_letter": 2}, late=4, users=6, lag=0)
    assert now.since(before) == Figures({"accepted": 20, "duplicate": 0, "dead_letter": 2}, late=3, users=6, lag=0)


def outcome(
    *, events: int = 12, stored: frozenset[str] = frozenset("abc"), unwanted: int = 0, refused: int = 0
) -> DemoOutcome:
    return make_outcome(
        rows=(events + refused, 1),
        left_out=0,
        sent=SendReport(events + refused, events, refused, 100, 7 if refused else 0),
        figures=Figures({"accepted": 9, "duplicate": 1, "unwanted": unwanted}, late=2, users=4, lag=0),
        results=Results({"a": "segment", "b": "risk"}, {"a", "b", "c"}, {"x", "y"}),
        stored=set(stored),
        seconds=10.0,
        processing_s=4.0,
    )


def test_an_account_that_adds_up_has_no_problem() -> None:
    found = outcome()
    assert found.problems == ()
    report = found.report
    assert report.events == report.accepted + report.dead_letters + report.duplicates
    assert (report.insights, report.insights_by_kind, report.postgres_rows) == (2, {"risk": 1, "segment": 1}, 2)
    assert (report.seconds, report.events_per_second) == (10.0, 3.0)


def test_an_event_too_many_is_told() -> None:
    (problem,) = outcome(events=13).problems
    assert "13 events were sent" in problem
    assert "are 12" in problem


def test_what_the_pack_drops_is_accounted_for() -> None:
    found = outcome(events=13, unwanted=1)
    assert (found.problems, found.report.dropped) == ((), 1)


def test_a_row_that_was_not_sent_is_told() -> None:
    found = outcome(refused=1)
    assert found.problems == ("1 row not sent: too large for Kafka, or empty; the first is row 7",)
    assert (found.report.rows, found.report.blank_rows, found.report.not_sent) == (13, 1, 1)


def test_an_insight_that_is_not_stored_is_told_also_if_it_is_of_an_earlier_run() -> None:
    found = outcome(stored=frozenset("ab"))
    assert found.problems == ("1 insights of the topic are not in Postgres",)
    assert found.report.postgres_rows == 2


def test_the_report_as_json_has_exactly_these_keys(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(outcome(events=13), as_json=True)
    out, err = capsys.readouterr()
    assert " ".join(json.loads(out)) == (
        "rows blank_rows rows_left_out events not_sent accepted dead_letters duplicates dropped late users "
        "insights insights_by_kind postgres_rows seconds events_per_second"
    )
    assert err.startswith("not accounted for: 13 events")


def test_the_report_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(outcome(), as_json=False)
    out, err = capsys.readouterr()
    assert ["insights", "by", "kind", "1", "risk,", "1", "segment"] in [line.split() for line in out.splitlines()]
    assert err == ""


def test_the_table_of_a_run_without_insights(capsys: pytest.CaptureFixture[str]) -> None:
    found = outcome()
    show_outcome(DemoOutcome(msgspec.structs.replace(found.report, insights_by_kind={}), ()), as_json=False)
    assert ["insights", "by", "kind", "none"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_the_feed_gives_out_the_most_urgent_first_and_counts_the_rest() -> None:
    feed = InsightFeed()
    feed.add(insight(1, user="old", severity=Severity.HIGH))
    feed.begin(START_S + 2)
    feed.add(insight(2, user="u1", severity=Severity.MEDIUM))
    feed.add(insight(3, user="u2", severity=Severity.HIGH))
    feed.add(insight(4, user="user/0", severity=Severity.HIGH, entity="population"))
    feed.add(insight(4, user="user/1", severity=Severity.HIGH, entity="population"))  # another partition's
    feed.add(insight(5, severity=Severity.LOW))
    feed.add(insight(1, user="late", number_of_id=9, severity=Severity.HIGH))
    given = [seen.about for seen in iter(feed.next_to_show, None)]
    assert given == ["all users", "u2", "u1"]
    assert (feed.history, dict(feed.counts)) == (2, {"medium": 1, "high": 2, "low": 1})
    assert [seen.about for seen in feed.ranked(2)] == ["all users", "u2"]


SENTENCE = "Looks like a bot: [40] events within a minute, where people do fewer than that, and it goes on and on so"
SCREEN = Screen(
    url="http://127.0.0.1:8088",
    broker="127.0.0.1:9092",
    postgres="127.0.0.1:5432/ubi",
    elapsed_s=75.0,
    rate=51.4,
    figures=Figures({"accepted": 900, "dead_letter": 3, "duplicate": 2}, late=0, users=4_000, lag=6),
    scene="since 0:30 a bot reads five pages a second",
)


def drawn(view: LiveView, *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_view_fits_a_terminal_and_cuts_no_sentence_off() -> None:
    feed = InsightFeed()
    for number in range(40):
        feed.add(insight(number, user=f"u{number}", severity=Severity.HIGH, summary=f"{SENTENCE} {number}."))
        feed.next_to_show()
    for number in range(40, 54):
        feed.add(insight(number, severity=Severity.INFO))
    view = LiveView(feed, START_S)
    view.screen = SCREEN
    lines = drawn(view)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    screen = " ".join(" ".join(lines).split())
    for part in ("http://127.0.0.1:8088/", "51 events/s", "lag 6", "4,000 users", "3 dead letters", "127.0.0.1:9092"):
        assert part in screen
    assert "40 high, 0 medium, and 14 of low severity or for information" in screen
    assert "Now: since 0:30 a bot reads five pages a second" in screen
    whole = [number for number in range(40) if f"{SENTENCE} {number}." in screen]
    assert len(whole) >= 4
    assert whole == list(range(40 - len(whole), 40))  # the newest, each to its last word
    assert screen.count("Looks like a bot") == len(whole)


def test_the_view_before_anything_was_looked_at_is_empty() -> None:
    assert drawn(LiveView(InsightFeed(), START_S)) == []


def test_lines_for_what_is_no_terminal() -> None:
    feed = InsightFeed()
    feed.add(insight(61, severity=Severity.HIGH))
    seen = feed.next_to_show()
    assert seen is not None
    assert sentence_line(seen, START_S) == " 1:01 high   u1: Looks at [many] things"
    assert figures_line(SCREEN, feed) == (
        " 1:15 51 events/s  4,000 users  lag 6  3 dead letters  "
        "insights: 1 high, 0 medium, and 0 of low severity or for information"
    )
