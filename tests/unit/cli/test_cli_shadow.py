"""`ubi replay --shadow`: its options and its report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import Result

from ubi_stream.local.ports import free_port
from ubi_stream.replay.compare import ShadowReport, describe, parse_time
from ubi_stream.replay.shadow import ComparedCounts


def test_times_are_utc_unless_they_name_a_zone() -> None:
    assert parse_time("1970-01-01T00:00:01") == parse_time("1970-01-01T02:00:01+02:00") == 1_000


def test_the_report_names_only_what_differs() -> None:
    kinds = {"risk": ComparedCounts(1, 2, 0, 1, 0, 1, {"score": 1}), "session": ComparedCounts(5, 5, 5)}
    report = ShadowReport("shop", 2, "topic", 10, ComparedCounts(6, 7, 5, 1, 0, 1, {"score": 1}), kinds, 0.5)
    assert not report.equal
    assert "risk: 0 missing, 1 additional, 1 changed (score 1)" in describe(report)
    assert "session" not in describe(report)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["f.jsonl", "--offline", "--shadow"],
        ["f.jsonl", "--from", "2026-01-01"],
        ["--shadow", "--from", "yesterday"],
        ["f.jsonl", "--pack", "ecommerce"],
    ],
)
def test_options_that_make_no_sense_are_refused(ubi: Callable[..., Result], arguments: list[str]) -> None:
    assert ubi("replay", *arguments).exit_code == 2


def test_without_kafka_it_says_so(ubi: Callable[..., Result]) -> None:
    result = ubi("replay", "--shadow", UBI_BROKER=f"127.0.0.1:{free_port()}")
    assert result.exit_code == 69
    assert "can't be reached: is it running? UBI_BROKER or --broker names it" in result.stderr
