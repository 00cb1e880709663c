"""Every shipped mapping parses, is documented, and reads a row of its file; the example in the document works."""

from __future__ import annotations

import gzip
import re
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from support.files import processed
from support.forms import FORMS
from support.public_data import public_file
from ubi_stream.cli.main import app
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import Mapping, load_mapping, mapping_names
from ubi_stream.mappings.specs import AlsoSpec, EventSpec, FileSpec, TimeSpec, ValueSpec, WhereSpec
from ubi_stream.mappings.values import COLUMN_TYPES
from ubi_stream.resources import config_dir

_DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "mappings.md"

# One file for each shipped mapping, and what its rows become (derived ids left out).
SAMPLES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "rees46": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:01 UTC,remove_from_cart,7,8,a.b,,5.50,u1,s1\n",
        [
            {
                "event_time": 1_569_888_001_000,
                "event_type": "remove_from_cart",
                "user_id": "u1",
                "session_id": "s1",
                "properties": {"price": 5.5, "category": "a.b", "category_id": "8", "product_id": "7"},
                "context": {"currency": "USD"},
            }
        ],
    ),
    "retailrocket": (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,addtocart,355908,\n"
        "1433221332118,257597,transaction,355908,4000\n",
        [
            {
                "event_time": 1_433_221_332_117,
                "event_type": "cart",
                "user_id": "257597",
                "properties": {"product_id": "355908"},
            },
            {
                "event_time": 1_433_221_332_118,
                "event_type": "purchase",
                "user_id": "257597",
                "properties": {"product_id": "355908", "transaction_id": "4000"},
            },
        ],
    ),
    "taobao": (
        "1,2268318,2520377,pv,1511544070\n1,2268318,2520377,buy,1511544071\n",
        [
            {
                "event_time": (1_511_544_070 + later_s) * 1000,
                "event_type": event_type,
                "user_id": "1",
                "properties": {"product_id": "2268318", "category": "2520377"},
            }
            for later_s, event_type in enumerate(("view", "purchase"))
        ],
    ),
    "card_payments": (
        "tx_id,ts,customer_id,terminal_id,amount,fraud,scenario\n738456,1529193651,4122,9421,81.58,1,2\n",
        [
            {
                "event_id": "738456",
                "event_time": 1_529_193_651_000,
                "event_type": "payment",
                "user_id": "4122",
                "properties": {"amount": 81.58, "tx_id": "738456", "terminal_id": "9421"},
                "context": {"timezone": "UTC"},
            },
            {
                "event_time": 1_529_193_651_000 + 3 * 86_400_000,
                "event_type": "$label",
                "user_id": "4122",
                "properties": {"tx_id": "738456", "terminal_id": "9421", "fraud": True},
                "context": {"timezone": "UTC"},
            },
        ],
    ),
    "own": (
        '{"event_id": "e1", "event_time": "2019-10-01T00:00:00Z", "event_type": "view", "user_id": "u1"}\n',
        [{"event_id": "e1", "event_time": "2019-10-01T00:00:00Z", "event_type": "view", "user_id": "u1"}],
    ),
    **FORMS,
}


def events(path: Path, mapping: str | Path) -> list[dict[str, Any]]:
    """Events of a file without the ids that were derived."""
    with ReplaySource(path, mapping) as source:
        found: list[dict[str, Any]] = [orjson.loads(record.value or b"") for record in source]
    return [{key: v for key, v in event.items() if key != "event_id" or len(v) != 32} for event in found]


ROWS: dict[str, str] = {name: text for name, (text, _) in SAMPLES.items()} | {
    # One row of each behaviour that these files have.
    "rees46": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    + "".join(
        f"2019-10-01 00:00:0{at} UTC,{kind},7,8,a.b,,5.50,u1,s1\n"
        for at, kind in enumerate(("view", "cart", "remove_from_cart", "purchase"))
    ),
    "retailrocket": "timestamp,visitorid,event,itemid,transactionid\n"
    "1433221332117,0,view,355908,\n1433221332118,0,addtocart,355908,\n1433221332119,0,transaction,355908,4000\n",
    "taobao": "".join(f"1,2268318,2520377,{kind},1511544070\n" for kind in ("pv", "cart", "fav", "buy")),
}


def written(folder: Path, name: str, text: str) -> Path:
    """A file of the form that a mapping is for."""
    ending = "jsonl" if text.startswith("{") else "log" if load_mapping(name).file.pattern else "csv"
    path = folder / f"rows.{ending}"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_its_pack_takes_every_kind_of_row_today(tmp_path: Path, name: str) -> None:
    found = processed(written(tmp_path, name, ROWS[name]), name)
    assert found.dead_letters == []
    rows = ROWS[name].count("\n") - _has_header(name)
    assert found.tally.accepted.total() == rows * load_mapping(name).events_per_row


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("rees46", "rees46_2019-10-01.csv.gz"),
        ("retailrocket", "retailrocket_events.csv.gz"),
        ("card_payments", "card_transactions_2018-06-17_07-31.csv.gz"),
    ],
)
def test_its_pack_takes_rows_of_the_public_file_today(tmp_path: Path, name: str, file: str) -> None:
    with gzip.open(public_file(file), "rt", encoding="utf-8") as rows:
        (tmp_path / "rows.csv").write_text("".join(islice(rows, 2_001)), encoding="utf-8")
    found = processed(tmp_path / "rows.csv", name)
    assert found.dead_letters == []
    assert found.tally.accepted.total() >= 1_990, "some rows stand twice in these files"


def test_every_shipped_mapping_has_a_sample() -> None:
    assert mapping_names() == sorted(SAMPLES)
    assert {path.suffix for path in (config_dir() / "mappings").iterdir()} == {".toml"}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_reads_a_row_of_the_file_that_it_is_for(tmp_path: Path, name: str) -> None:
    text, expected = SAMPLES[name]
    assert events(written(tmp_path, name, text), name) == expected
    assert len(expected) == load_mapping(name).events_per_row * (text.count("\n") - (_has_header(name)))


def _has_header(name: str) -> bool:
    layout = load_mapping(name).file
    return not (layout.columns or layout.pattern or SAMPLES[name][0].startswith("{"))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_is_documented(name: str) -> None:
    assert f"| `{name}` |" in _DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [Mapping, FileSpec, EventSpec, AlsoSpec, TimeSpec, ValueSpec, WhereSpec])
def test_every_key_and_type_is_documented(model: type[BaseModel]) -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    for key in model.model_fields:
        assert re.search(rf"`\[*{key}\]*`|\b{key} = ", text), key
    for column_type in COLUMN_TYPES:
        assert f"| `{column_type}` |" in text


def blocks() -> dict[str, str]:
    """Blocks of the document by what stands behind their three marks."""
    fence = re.compile(r"^ *```(\w+(?: \w+)?)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
    found = fence.findall(_DOCUMENT.read_text(encoding="utf-8"))
    return {name: "\n".join(line.removeprefix("   ") for line in text.splitlines()) + "\n" for name, text in found}


def test_the_tutorial_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("visits.csv").write_text(blocks()["csv"], encoding="utf-8")
    assert CliRunner().invoke(app, ["try", "visits.csv"]).exit_code == 0
    assert Path("visits.toml").read_text(encoding="utf-8") == blocks()["toml guessed"]
    Path("visits.toml").write_text(blocks()["toml corrected"], encoding="utf-8")
    checked = CliRunner().invoke(app, ["mapping", "check", "visits.toml", "--file", "visits.csv"])
    assert checked.exit_code == 0
    second = events(Path("visits.csv"), "visits.toml")[1]
    assert orjson.loads(blocks()["json"]) == {"event_id": "…", **second}


def test_the_example_of_a_log_works(tmp_path: Path) -> None:
    (tmp_path / "log.toml").write_text(blocks()["toml log"], encoding="utf-8")
    (tmp_path / "our.log").write_text(blocks()["log"], encoding="utf-8")
    [event] = events(tmp_path / "our.log", tmp_path / "log.toml")
    assert (event["event_type"], event["user_id"], event["properties"]) == ("search", "ann", {"latency_ms": 120.0})


def test_the_example_of_nested_json_works(tmp_path: Path) -> None:
    (tmp_path / "app.toml").write_text(blocks()["toml nested"], encoding="utf-8")
    (tmp_path / "app.jsonl").write_text(blocks()["jsonl"], encoding="utf-8")
    [event] = events(tmp_path / "app.jsonl", tmp_path / "app.toml")
    assert (event["event_type"], event["user_id"]) == ("cart", "d-1")
    assert event["properties"] == {"price": 19.9, "product_id": "A4"}
