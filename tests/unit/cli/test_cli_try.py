"""`ubi try` and `ubi mapping`: a newcomer's file is recognised, or read by guesses that are said."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from support.files import case
from support.forms import FORMS
from ubi_stream.cli.main import app
from ubi_stream.data.forms.names import place_type
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import load_mapping, mapping_names
from ubi_stream.mappings.write import mapping_text

Ubi = Callable[..., Result]


@pytest.fixture
def ubi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ubi:
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args])


def tried(ubi: Ubi, *args: object) -> dict[str, Any]:
    result = ubi("try", *args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    summary = found["summary"]
    assert summary["rows"] == summary["events"] + sum(summary["rows_left_out"].values())
    return found


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("forms/ga4.csv", "ga4"),
        ("forms/ga4_semicolon.csv", "ga4"),
        ("forms/segment.jsonl", "segment"),
        ("forms/posthog.jsonl", "posthog"),
        ("forms/shopify.csv", "shopify_orders"),
        ("forms/access.log", "access_log"),
        ("retailrocket_head.csv", "retailrocket"),
        ("one_event.jsonl", "own"),
    ],
)
def test_files_of_known_forms_are_recognised(ubi: Ubi, file: str, form: str) -> None:
    found = tried(ubi, case(file))
    assert found["known_as"] == form
    assert 0 < len(found["beside"]) <= 5
    assert found["summary"]["accepted"] > 0.8 * found["summary"]["events"]


@pytest.mark.parametrize("name", [*sorted(FORMS)])
def test_rows_by_the_makers_documents_are_recognised(ubi: Ubi, tmp_path: Path, name: str) -> None:
    text, expected = FORMS[name]
    ending = "jsonl" if text.startswith("{") else "csv" if name.startswith("shopify") else "txt"
    path = tmp_path / f"rows.{ending}"
    path.write_text(text, encoding="utf-8")
    found = tried(ubi, path)
    assert found["known_as"] == name
    assert found["summary"]["events"] == len(expected)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_variant_of_a_form_gives_the_same_events(ubi: Ubi, tmp_path: Path, delimiter: str, encoding: str) -> None:
    with case("forms/shopify.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*reversed(rows[0]), "Notes"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(row | {"Notes": "a; b, c"} for row in rows)
    (tmp_path / "orders.csv").write_bytes(text.getvalue().encode(encoding))
    found = tried(ubi, tmp_path / "orders.csv")
    assert found["known_as"] == "shopify_orders"
    assert (found["summary"]["accepted"], found["summary"]["unreadable_values"]) == (200, {})
    with ReplaySource(tmp_path / "orders.csv", tmp_path / "orders.toml") as source:
        assert len({record.value for record in source}) == 200


def test_numbers_and_times_of_a_known_form_may_be_written_in_another_way(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "Name;Email;Financial Status;Total;Created at\n"
        '#1;a@shop.example;paid;"1.199,50";2026-11-20T09:00:12+01:00\n'
        "#2;b@shop.example;paid;20,00;2026-11-20T09:00:13+01:00\n",
        encoding="utf-8",
    )
    found = tried(ubi, "orders.csv")
    assert found["known_as"] == "shopify_orders"
    events = [json.loads(one["becomes"]) for one in found["beside"]]
    assert [(event["event_time"], event["properties"]["price"]) for event in events] == [
        (1_795_161_612_000, 1199.5),
        (1_795_161_613_000, 20.0),
    ]
    assert any(one.startswith("Not in this file: ") and "context.currency" in one for one in found["guesses"])
    assert "Times are written as iso, not as %Y-%m-%d %H:%M:%S %z" in found["guesses"]


def test_the_mapping_that_it_writes_gives_the_same_again(ubi: Ubi, tmp_path: Path) -> None:
    path = case("forms/segment.jsonl")
    first = tried(ubi, path)
    assert mapping_text(load_mapping(tmp_path / "segment.toml")) == first["mapping"]
    result = ubi("replay", path, "--mapping", "segment.toml", "--offline", "--json", "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    again = json.loads(result.stderr.splitlines()[-1])
    for name in ("events", "accepted", "dead_letters", "insights", "users"):
        assert again[name] == first["summary"][name]


def test_the_events_are_shown_beside_their_rows_with_what_was_not_placed(ubi: Ubi) -> None:
    result = ubi("try", case("forms/segment.jsonl"))
    text = result.stderr
    assert "is a file of the form segment" in text
    assert text.count("→ {") == 5
    assert "201 rows = 168 events + 33 dead letters + 0 left out" in text
    assert "Engaged (15)" in text


GERMAN = (
    "Zeitpunkt;Kunde;Aktion;Preis\n"
    "02.11.2026 10:00:00;k-1;Add to Cart;1.234,56\n"
    "02.11.2026 10:01:00;k-1;Purchase;19,90\n"
    "13.11.2026 10:01:00;k-2;Angebot;12,00\n"
    "13.11.2026 10:02:00;k-2;Purchase;7,00\n"
)


def test_a_file_of_no_known_form_is_read_by_guesses_that_it_says(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "laden.csv").write_text(GERMAN.replace("Angebot", "Rücksendung"), encoding="cp1252")
    found = tried(ubi, "laden.csv", "--timezone", "Europe/Berlin")
    assert found["known_as"] is None
    assert any("Kunde is one by its content alone" in one for one in found["guesses"])
    assert "Event types: Purchase is purchase, Add to Cart is cart" in found["guesses"]
    assert found["summary"]["unknown_event_types"] == {"Rücksendung": 1}
    assert "The text is not UTF-8: read as cp1252" in found["guesses"]
    events = [json.loads(one["becomes"]) for one in found["beside"]]
    assert [event["user_id"] for event in events] == ["k-1", "k-1", "k-2", "k-2"]
    assert events[0]["event_time"] == 1_793_610_000_000, "10:00 in Berlin"


def test_a_day_and_a_time_of_day_may_stand_apart_and_excel_may_name_the_delimiter(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(
        "sep=;\nDate;Time;Customer ID;Event\n02/11/2026;10:00;5;purchase\n13/11/2026;9:05;6;view\n", encoding="utf-8"
    )
    found = tried(ubi, "split.csv")
    events = [json.loads(one["becomes"]) for one in found["beside"]]
    assert [event["event_time"] for event in events] == [1_793_613_600_000, 1_794_560_700_000]
    assert "Time of day: Time" in found["guesses"]
    assert found["summary"]["accepted"] == 2


def test_columns_that_are_named_are_not_guessed(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "laden.csv").write_text(GERMAN, encoding="utf-8")
    found = tried(ubi, "laden.csv", "--user", "Aktion", "--type", "=login", "--mapping-out", "other.toml")
    assert {json.loads(one["becomes"])["event_type"] for one in found["beside"]} == {"login"}
    assert json.loads(found["beside"][0]["becomes"])["user_id"] == "Add to Cart"
    assert (tmp_path / "other.toml").is_file()


def test_addresses_of_people_are_hashed_and_numbers_read_as_they_are_written(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "buys.csv").write_text(
        'when,email,event,price\n2026-11-02T10:00:00Z,a@b.example,bought,"€1.234,50"\n'
        '2026-11-02T10:00:01Z,c@b.example,bought,"€12,00"\n',
        encoding="utf-8",
    )
    found = tried(ubi, "buys.csv")
    assert "a@b.example" not in json.dumps([one["becomes"] for one in found["beside"]])
    assert [json.loads(one["becomes"])["properties"]["price"] for one in found["beside"]] == [1234.5, 12.0]
    assert any("UBI_PII_KEY is not set" in one for one in found["guesses"])


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "x,y\n1,2\n", "no column looks like a time: name it with --time; there are x, y"),
        ("a.csv", "when,y\n2026-11-02T10:00:00Z,2\n", "no column looks like a user: name it with --user"),
        (
            "a.csv",
            "2026-11-02T10:00:00Z,u1,view\n2026-11-02T10:00:01Z,u2,view\n",
            "looks like a row, not like a header",
        ),
        ("a.jsonl", '{"a"\n', "no row of the file can be read"),
        ("a.dat", "hello\n", "is of no form that is known"),
        ("a.csv", "", "is empty"),
        ("a.jsonl", '[{"a": 1}]\n', "one JSON array"),
    ],
)
def test_what_it_can_not_find_out_is_one_sentence(ubi: Ubi, tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    result = ubi("try", name)
    assert result.exit_code == 64
    assert says in " ".join(result.stderr.split())


def test_another_mapping_of_that_name_is_not_overwritten(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "ga4.toml").write_text("mine", encoding="utf-8")
    result = ubi("try", case("forms/ga4.csv"))
    assert result.exit_code == 64
    assert "--mapping-out" in result.stderr
    assert (tmp_path / "ga4.toml").read_text(encoding="utf-8") == "mine"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_from_anywhere_and_shows_what_is_worth_seeing(ubi: Ubi, tmp_path: Path) -> None:
    rows = case("forms/shopify.csv").read_text(encoding="utf-8").replace("Shoe", "<b>Shoe</b>")
    (tmp_path / "orders.csv").write_text(rows, encoding="utf-8")
    assert ubi("try", "orders.csv", "--html", "orders.html").exit_code == 0
    text = (tmp_path / "orders.html").read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert not [attrs for _, attrs in page.tags if {"src", "href"} & attrs.keys()]
    assert {"script", "link", "img", "iframe", "b"}.isdisjoint(tag for tag, _ in page.tags)
    assert "url(" not in text
    assert "200 rows = 200 events + 0 dead letters + 0 left out" in text
    assert text.count("<td>high</td>") + text.count("<td>low</td>") == 10


def test_the_most_severe_come_first(ubi: Ubi) -> None:
    found = tried(ubi, case("forms/shopify.csv"))
    order = ["high", "medium", "low", "info"]
    severities = [order.index(one["severity"]) for one in found["insights"]]
    assert len(severities) == 10
    assert severities == sorted(severities)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Add to Cart", "cart"),
        ("add-to-basket", "cart"),
        ("removed from cart", "remove_from_cart"),
        ("ORDER_PLACED", "purchase"),
        ("buy", "purchase"),
        ("pv", "view"),
        ("ProductViewed", "view"),
        ("page view", "page_view"),
        ("Signed In", "login"),
        ("wishlist", "favourite"),
        ("refund", None),
        ("scroll", None),
        ("", None),
    ],
)
def test_common_names_of_event_types(name: str, expected: str | None) -> None:
    types = ["page_view", "view", "search", "cart", "remove_from_cart", "checkout", "purchase", "login", "favourite"]
    assert place_type(name, types) == expected


@pytest.mark.parametrize("name", mapping_names())
def test_a_mapping_that_is_shown_is_the_same_mapping(ubi: Ubi, tmp_path: Path, name: str) -> None:
    result = ubi("mapping", "show", name)
    assert result.exit_code == 0
    tomllib.loads(result.stdout)
    (tmp_path / "shown.toml").write_text(result.stdout, encoding="utf-8")
    assert load_mapping(tmp_path / "shown.toml").model_dump() == load_mapping(name).model_dump()


def test_mappings_are_listed(ubi: Ubi) -> None:
    result = ubi("mapping", "list")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == mapping_names()
    assert [one["name"] for one in json.loads(ubi("mapping", "list", "--json").stdout)] == mapping_names()


def test_a_mapping_is_made_and_checked_with_its_file(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "laden.csv").write_text(GERMAN, encoding="utf-8")
    made = ubi("mapping", "init", "laden.csv")
    assert made.exit_code == 0, made.output
    assert made.stderr.count("→ {") == 4
    checked = ubi("mapping", "check", "laden.toml", "--file", "laden.csv")
    assert checked.exit_code == 0
    assert re.search(r"OK: laden\.toml reads the columns .*Zeitpunkt", checked.stderr)
    (tmp_path / "laden.toml").write_text('description = "x"\n', encoding="utf-8")
    wrong = ubi("mapping", "check", "laden.toml")
    assert wrong.exit_code == 64
    assert "expected a table [event]" in wrong.stderr
