"""`ubi replay --offline` and `ubi generate --out`: files in, files out, and what is said about it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from support.files import case
from support.shop_file import write_shop_file
from ubi_stream.clock import SystemClock
from ubi_stream.local.ports import free_port

Ubi = Callable[..., Result]


@pytest.fixture
def long_visits(tmp_path: Path) -> Path:
    """Visits of half an hour: something is told about them."""
    return write_shop_file(tmp_path / "visits.csv", events=620, users=3)


def test_offline_replay_writes_one_cloud_event_a_line(ubi: Ubi, long_visits: Path) -> None:
    result = ubi("replay", long_visits, "--mapping", "rees46", "--offline", "--out", "insights.jsonl")
    assert result.exit_code == 0, result.stderr
    insights = [json.loads(line) for line in Path("insights.jsonl").read_text(encoding="utf-8").splitlines()]
    assert insights
    assert all(insight["type"] == "dev.ubi.insight.v1" for insight in insights)
    assert {insight["subject"] for insight in insights} <= {"0", "1", "2"}
    assert len({insight["id"] for insight in insights}) == len(insights)
    assert result.stdout == ""
    assert "620 events of 3 users" in result.stderr
    assert "620 accepted, 0 dead letters, 0 duplicates" in result.stderr


def test_offline_replay_gives_the_same_lines_again_on_standard_output(ubi: Ubi, long_visits: Path) -> None:
    ubi("replay", long_visits, "--mapping", "rees46", "--offline", "--out", "insights.jsonl")
    assert Path("insights.jsonl").stat().st_size > 0
    for out in ([], ["--out", "-"]):
        assert (
            ubi("replay", long_visits, "--mapping", "rees46", "--offline", *out).stdout_bytes
            == Path("insights.jsonl").read_bytes()
        )


def test_visits_that_ended_are_counted_by_class(ubi: Ubi) -> None:
    for start in ("2024-01-01T00:00:00", "2024-01-02T00:00:00"):
        ubi("generate", "--persona", "engaged_shopper", "--user", "u", "--start", start, "--out", f"{start[9]}.jsonl")
    both = "".join(Path(f"{day}.jsonl").read_text("utf-8") for day in (1, 2))
    Path("both.jsonl").write_text(both, "utf-8")
    delivered = ubi("replay", "both.jsonl", "--offline").stderr
    assert "visits that ended: 1 engaged_shopper\n" in delivered
    summary = json.loads(ubi("replay", "both.jsonl", "--offline", "--json").stderr)
    assert summary["visits_by_class"] == {"engaged_shopper": 1}


def test_the_summary_as_json_adds_up(ubi: Ubi, shop_file: Path) -> None:
    result = ubi("replay", shop_file, "-m", "rees46", "--offline", "--json")
    summary = json.loads(result.stderr)
    assert summary["events"] == summary["accepted"] + summary["dead_letters"] + summary["duplicates"] == 42
    assert summary["dead_letters_by_reason"] == {"unknown_event_type": 1}
    assert summary["insights"] == sum(summary["insights_by_kind"].values()) == len(result.stdout.splitlines())


def test_an_offline_run_writes_features_and_model_quality(ubi: Ubi, shop_file: Path) -> None:
    plain = ubi("replay", shop_file, "-m", "rees46", "--offline", "--out", "plain.jsonl", "--json")
    ubi(
        *("replay", shop_file, "-m", "rees46", "--offline", "--out", "out.jsonl"),
        *("--features", "features.jsonl", "--quality", "quality.json"),
    )
    assert Path("out.jsonl").read_bytes() == Path("plain.jsonl").read_bytes()
    rows = [json.loads(line) for line in Path("features.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == json.loads(plain.stderr)["accepted"]
    assert {"event_id", "entity_id", "at_ms", "features"} <= rows[0].keys()
    assert "session_depth" in rows[0]["features"]
    quality = json.loads(Path("quality.json").read_text("utf-8"))
    assert quality["pack"] == "ecommerce"
    by_name = {(model["outcome"], model["model"], model["partition"]): model for model in quality["models"]}
    assert by_name["buys_in_visit", "line", None]["quality"].keys() == {"all_time", "window", "emitted"}


def test_features_and_quality_are_files_of_an_offline_run(ubi: Ubi, shop_file: Path) -> None:
    refused = ubi("replay", shop_file, "-m", "rees46", "--quality", "quality.json")
    assert refused.exit_code == 2
    assert "--quality needs --offline" in refused.stderr


def test_when_nothing_is_told_it_says_what_that_takes(ubi: Ubi) -> None:
    Path("one.jsonl").write_text('{"event_time": 1700000000000, "event_type": "view", "user_id": "u1"}\n', "utf-8")
    delivered = ubi("replay", "one.jsonl", "--offline").stderr
    assert "1 event of 1 user in" in delivered
    assert "visits that ended" not in delivered
    assert "0 insights" in delivered
    assert "Nothing was told: no event met all the conditions of a segment or rule of pack ecommerce" in delivered
    assert "an anomaly needs 500 events in the partition and 10 events of its user before it" in delivered


def test_the_mapping_brings_its_pack_and_the_option_wins(ubi: Ubi, shop_file: Path) -> None:
    lines = ubi("replay", shop_file, "-m", "rees46", "--offline", UBI_PACK="payments").stderr
    assert "0 accepted, 42 dead letters" in lines
    lines = ubi("replay", shop_file, "-m", "rees46", "--offline", "--pack", "ecommerce", UBI_PACK="payments").stderr
    assert "41 accepted" in lines


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["missing.csv", "-m", "rees46", "--offline"], 64, "missing.csv"),
        (["shop.csv", "-m", "casino", "--offline"], 64, "mapping 'casino' is unknown"),
        (["shop.csv", "-m", "rees46", "--out", "x"], 2, "need --offline"),
        (["shop.csv", "-m", "rees46", "--live", "topic"], 2, "--live need --shadow"),
        (["shop.csv", "-m", "rees46", "--offline", "--live", "postgres"], 2, "--live need --shadow"),
        (["shop.csv", "-m", "rees46", "--offline", "--out", "no/such/folder/x"], 64, "can't be written"),
        (["shop.csv", "-m", "rees46", "--speed", "fast"], 64, "expected max, realtime, or a number"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    ubi: Ubi, shop_file: Path, arguments: list[str], code: int, expected: str
) -> None:
    result = ubi("replay", *arguments)
    assert result.exit_code == code
    assert expected in result.stderr
    assert "Traceback" not in result.output


def test_replay_without_a_broker_gives_up_in_time_with_a_sentence(ubi: Ubi, shop_file: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    result = ubi("replay", shop_file, "-m", "rees46", UBI_BROKER=nobody, UBI_STARTUP_TIMEOUT_S="0")
    assert result.exit_code == 69
    assert f"error: Kafka at {nobody} can't be reached" in result.stderr
    assert "Unable" not in result.stderr  # the client's own words stay out


def test_a_visit_of_a_persona_is_written_and_ends_now(ubi: Ubi) -> None:
    options = ("--persona", "tired", "--user", "u-1", "--session", "s-42")
    result = ubi("generate", *options, "--out", "visit.jsonl")
    assert result.exit_code == 0, result.stderr
    events = [json.loads(line) for line in Path("visit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(event["user_id"], event["session_id"]) for event in events} == {("u-1", "s-42")}
    assert 0 <= SystemClock().now_ms() - events[-1]["event_time"] < 60_000
    assert f"{len(events)} events of 1 visit by u-1" in result.stderr
    ubi("generate", *options, "--count", "2", "--start", "2024-01-01T00:00:00", "--out", "two.jsonl")
    two = [json.loads(line) for line in Path("two.jsonl").read_text(encoding="utf-8").splitlines()]
    firsts = {event["session_id"]: event["event_time"] for event in reversed(two)}
    assert firsts == {"s-42-1": 1_704_067_200_000, "s-42-2": 1_704_153_600_000}
    assert ubi("generate", "--persona", "wizard", "--out", "-").exit_code == 64


def test_generated_events_are_the_same_for_the_same_seed_and_start(ubi: Ubi) -> None:
    options = ["--count", "300", "--users", "50", "--start", "2024-01-01T00:00:00", "--out"]
    assert ubi("generate", *options, "a.jsonl").exit_code == 0
    ubi("generate", *options, "b.jsonl")
    ubi("generate", "--seed", "8", *options, "c.jsonl")
    a, b, c = (Path(f"{name}.jsonl").read_bytes() for name in "abc")
    assert a == b != c
    first = json.loads(a.splitlines()[0])
    assert first["event_time"] >= 1_704_067_200_000
    assert len(a.splitlines()) == 300


def test_a_spoiled_stream_comes_out_as_announced(ubi: Ubi) -> None:
    made = ubi(
        *("generate", "--count", "2000", "--start", "2024-01-01T00:00:00", "--out", "g.jsonl"),
        *("--duplicates", "0.02", "--out-of-order", "0.02", "--poison", "0.03"),
    )
    assert made.exit_code == 0, made.stderr
    summary = json.loads(ubi("replay", "g.jsonl", "--offline", "--json").stderr)
    assert f"{summary['events']:,} records: 2,000 good" in made.stderr
    assert f"{summary['duplicates']:,} duplicates, {summary['dead_letters']:,} garbage" in made.stderr
    for reason in ("malformed_json", "missing_field", "too_deep", "too_large"):
        assert f"{summary['dead_letters_by_reason'][reason]:,} {reason}" in made.stderr
    assert summary["accepted"] == 2000


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--out", "x.jsonl"], 2, "--out needs --count"),
        (["--users", "3", "--count", "1", "--out", "-"], 64, "users = 3"),
        (["--poison", "2", "--count", "1", "--out", "-"], 64, "poison = 2"),
    ],
)
def test_wrong_options_of_generate(ubi: Ubi, arguments: list[str], code: int, expected: str) -> None:
    result = ubi("generate", *arguments)
    assert result.exit_code == code
    assert expected in result.stderr


@pytest.mark.parametrize("arguments", [["replay", "shop.csv"], ["demo", "--input", "shop.csv.gz", "--exit"]])
def test_a_csv_file_needs_a_mapping(ubi: Ubi, arguments: list[str]) -> None:
    result = ubi(*arguments)
    assert result.exit_code == 2
    assert "needs --mapping" in result.stderr


def test_a_file_in_the_wrong_mapping_is_all_dead_letters_and_that_is_said(ubi: Ubi, shop_file: Path) -> None:
    result = ubi("replay", shop_file, "-m", "own", "--offline")
    assert result.exit_code == 1
    assert "dead letters: " in result.stderr
    assert "is own the right --mapping?" in result.stderr
    assert ubi("replay", shop_file, "-m", "own", "--offline", "--allow-dead-letters", "100%").exit_code == 0
    assert ubi("replay", shop_file, "-m", "rees46", "--offline", "--allow-dead-letters", "2%").exit_code == 1


def test_the_account_names_row_field_and_value(ubi: Ubi) -> None:
    rows = [
        {
            "event_time": "2026-11-02T10:00:00Z",
            "event_type": "purchase",
            "user_id": "u",
            "properties": {"price": "9,90"},
        },
        {"event_time": "2026-11-02T10:00:00Z", "event_type": "bought", "user_id": "u"},
        {"event_time": "2026-11-02T10:00:00Z", "event_type": "view", "user_id": "u"},
    ]
    Path("some.jsonl").write_text("\n\n".join(map(json.dumps, rows)), "utf-8")
    delivered = ubi("replay", "some.jsonl", "--offline", "--dead-letters", "refused.jsonl").stderr
    assert "1 invalid_value at $.properties.price, first in row 1: price is '9,90'" in delivered
    assert "Unknown event types: bought (1). Pack ecommerce knows page_view, view" in delivered
    assert "2 blank lines skipped" in delivered
    letters = [json.loads(line) for line in Path("refused.jsonl").read_text().splitlines()]
    assert sorted(letter["reason"] for letter in letters) == ["invalid_value", "unknown_event_type"]
    summary = json.loads(ubi("replay", "some.jsonl", "--offline", "--json").stderr)
    assert (summary["rows"], summary["blank_rows"], summary["events"]) == (3, 2, 3)
    assert summary["unknown_event_types"] == {"bought": 1}
    assert {cause["row"] for cause in summary["causes"]} == {1, 3}


def test_a_file_in_no_order_is_called_so_and_sort_brings_it(ubi: Ubi) -> None:
    unsorted, in_order = case("order_by_user.jsonl"), case("order_by_time.jsonl")
    delivered = ubi("replay", unsorted, "--offline", "--out", "a.jsonl").stderr
    assert re.search(r"Most events were late \(\d+ of 483\): the file is not in the order of time.*--sort", delivered)
    delivered = ubi("replay", unsorted, "--offline", "--out", "a.jsonl", "--sort").stderr
    assert "late;" in delivered
    assert "Most events" not in delivered
    (sentence,) = json.loads(ubi("replay", unsorted, "--offline", "--json", "--out", "c.jsonl").stderr)["time_order"]
    assert "--sort" in sentence
    assert not json.loads(ubi("replay", in_order, "--offline", "--json", "--out", "c.jsonl").stderr)["time_order"]
    delivered = ubi("replay", in_order, "--offline", "--out", "b.jsonl").stderr
    assert "Most events" not in delivered
    a, b = ([json.loads(line)["id"] for line in Path(f"{name}.jsonl").read_text().splitlines()] for name in "ab")
    assert a == b


def test_a_fast_clock_is_named_with_its_row(ubi: Ubi) -> None:
    delivered = ubi("replay", case("one_fast_clock.jsonl"), "--offline", "--out", "a.jsonl").stderr
    assert re.search(r"Row \d+ is \d+(\.\d)? days ahead of the rest of the file \(8 rows like it\)", delivered), (
        delivered
    )
    summary = json.loads(ubi("replay", case("one_fast_clock.jsonl"), "--offline", "--json", "--out", "a.jsonl").stderr)
    assert [sentence for sentence in summary["time_order"] if sentence in delivered] == summary["time_order"] != []
