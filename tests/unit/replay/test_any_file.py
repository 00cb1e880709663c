"""Files as people have them: each row is its own event, or its own dead letter, whatever its neighbours hold."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.files import case, processed
from ubi_stream.data.readers import open_rows
from ubi_stream.data.source import ReplaySource
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.specs import FileSpec
from ubi_stream.zstd import ZstdFile

SHOP = """
description = "A shop"
pack = "ecommerce"
[file]
delimiter = "DELIMITER"
[event]
event_time = "when"
event_type = "what"
user_id = "who"
[properties]
price = { column = "price", type = "number" }
title = "title"
"""


def zstd_compress(data: bytes) -> bytes:
    packed = io.BytesIO()
    with ZstdFile(packed, "wb") as stream:
        stream.write(data)
    return packed.getvalue()


def test_two_stray_quotes_in_neighbouring_rows() -> None:
    found = processed(case("quotes_pair.csv"), case("shop.toml"))
    assert found.tally.accepted.total() + len(found.dead_letters) == 4
    assert [letter.row for letter in found.dead_letters] == [3, 4]
    assert found.users == {"v-1", "v-4"}
    assert all("quote" in letter.fault for letter in found.dead_letters)


def test_two_stray_quotes_with_good_rows_between() -> None:
    found = processed(case("quotes_far.csv"), case("shop.toml"))
    assert found.tally.accepted.total() + len(found.dead_letters) == 6
    assert found.users == {"v-5", "v-6", "v-7", "v-4"}
    assert [found.amount_24h(user) for user in ("v-6", "v-7", "v-4")] == [7, 8, 5]


@settings(deadline=None, max_examples=50)
@given(
    stray=st.lists(st.booleans(), min_size=1, max_size=40),
    delimiter=st.sampled_from([",", ";", "\t"]),
    column=st.integers(0, 4),
    at_end=st.booleans(),
)
def test_stray_quotes_in_any_column_cost_their_own_rows(
    tmp_path_factory: pytest.TempPathFactory, stray: list[bool], delimiter: str, column: int, at_end: bool
) -> None:
    lines = [delimiter.join(("when", "who", "what", "price", "title"))]
    for at, broken in enumerate(stray):
        fields = [f"2026-11-02T10:00:{at:02d}Z", f"u{at}", "purchase", str(at + 1), "x"]
        if broken:
            fields[column] = fields[column] + '"' if at_end and at % 2 else '"' + fields[column]
        lines.append(delimiter.join(fields))
    folder = tmp_path_factory.mktemp("stray")
    (folder / "rows.csv").write_text("\n".join(lines))
    (folder / "shop.toml").write_text(SHOP.replace("DELIMITER", delimiter.replace("\t", "\\t")))
    with ReplaySource(folder / "rows.csv", folder / "shop.toml") as source:
        found = {record.row: record for record in source}
    assert sorted(found) == list(range(2, len(stray) + 2))
    for at, broken in enumerate(stray):
        assert broken or found[at + 2].key == f"u{at}".encode()


def test_thousands_of_stray_quotes_take_no_time(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + '"x,1\ny,2\n' * 20_000)
    with open_rows(path, FileSpec(), {}) as reader:
        rows = list(reader)
    assert len(rows) == 40_000
    assert sum(row.values is None for row in rows) == 20_000


def test_a_text_over_several_lines_is_one_field(tmp_path: Path, make_mapping: Callable[[str], Mapping]) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('when,who,what,price,title\n2026-11-02T10:00:00Z,u1,view,1,"two, or\nthree, four, a, b"\n')
    with ReplaySource(path, make_mapping(SHOP.replace("DELIMITER", ","))) as source:
        [record] = source
    assert record.value is not None
    assert b'"title":"two, or\\nthree, four, a, b"' in record.value


def test_a_file_without_quotes_takes_them_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n"x,1\n')
    with open_rows(path, FileSpec(quote=""), {}) as reader:
        assert [row.values for row in reader] == [{"a": '"x', "b": "1"}]


def test_a_short_row_says_how_many_fields_it_has() -> None:
    [letter] = processed(case("msg_short_row.csv"), case("shop.toml")).dead_letters
    assert (letter.row, letter.fault) == (3, "3 fields where 5 were expected")


def test_ids_of_38_digits_stay_apart() -> None:
    found = processed(case("bigint_users.jsonl"), case("flat.toml"))
    assert found.users == {f"38120938471029384710293847102938471{last}" for last in ("001", "002", "003")}


def test_local_times_of_another_form_are_no_times_of_another_zone() -> None:
    found = processed(case("mixed_fraction.csv"), case("berlin.toml"))
    assert [(letter.reason, letter.path) for letter in found.dead_letters] == [("wrong_type", "$.event_time")] * 3
    assert [letter.row for letter in found.dead_letters] == [3, 5, 6]
    assert found.tally.late == 0


def test_a_further_event_has_no_time_either(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("when,visitor,amount,tx,term,fraud\nsoon,v,5,x,t,1\n2026-03-29T02:30:00,v,5,y,t,0\n")
    found = processed(path, case("berlin_also.toml"))
    assert [letter.path for letter in found.dead_letters] == ["$.event_time"] * 4, "clocks skip 02:30 that day"
    assert found.tally.accepted.total() == 0


def test_a_day_of_parquet_begins_in_its_zone(tmp_path: Path) -> None:
    frame = pl.DataFrame({"when": ["2026-07-02"], "visitor": ["v"], "what": ["product_seen"], "amount": [1], "tx": [1]})
    frame.with_columns(pl.col("when").str.to_date()).write_parquet(tmp_path / "rows.parquet")
    with ReplaySource(tmp_path / "rows.parquet", case("berlin.toml")) as source:
        assert [record.time_ms for record in source] == [1_782_943_200_000]


def test_bytes_of_parquet_are_text() -> None:
    found = processed(case("parquet_binary_text.parquet"), case("shop.toml"))
    assert (found.tally.accepted, found.dead_letters) == ({"view": 2, "purchase": 2}, [])
    assert [found.amount_24h(user) for user in ("p-1", "p-2")] == [19.90, 5]


def test_a_byte_order_mark_belongs_to_no_row() -> None:
    found = processed(case("bom.jsonl"))
    assert found.tally.accepted.total() == 2
    assert found.dead_letters == []


def test_empty_columns_at_the_end_of_a_header() -> None:
    assert processed(case("header_trailing_empty.csv"), case("shop.toml")).tally.accepted.total() == 1


@pytest.mark.parametrize("name", ["msg_blank_first_line.csv", "msg_utf16.csv"])
def test_blank_lines_and_utf_16_are_read(name: str) -> None:
    assert processed(case(name), case("shop.toml")).tally.accepted.total() == 1


def test_a_long_window_of_zstandard_is_read() -> None:
    found = processed(case("msg_zst_long_window.jsonl.zst"))
    assert found.tally.accepted.total() > 0
    assert found.dead_letters == []


def test_a_json_array_is_called_one() -> None:
    with ReplaySource(case("msg_json_array.jsonl"), "own") as source, pytest.raises(ConfigError, match="JSON array"):
        list(source)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 and so on", "Excel workbook"),
        ("größe,b\n1,2\n".encode("latin-1"), 'encoding = "latin-1"'),
        ("a,b\n1,2\n".encode("utf-16-le"), "probably UTF-16"),
        (b"when;b;c\n1;2;3\n", "parted by ';'"),
        (b"when\tb\n1\t2\n", "parted by a tab"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        open_rows(tmp_path / "rows.csv", FileSpec(), {"when": "event.event_time"})
    assert says in str(refused.value)


@pytest.mark.parametrize("pack", [gzip.compress, zstd_compress])
def test_what_is_compressed_its_bytes_say(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "rows.csv").write_bytes(pack(b"a\n1\n"))
    (tmp_path / "plain.csv.gz").write_bytes(b"a\n1\n")
    for name in ("rows.csv", "plain.csv.gz"):
        with open_rows(tmp_path / name, FileSpec(), {}) as reader:
            assert [row.values for row in reader] == [{"a": "1"}]


def test_latin_1_is_read_where_the_mapping_says_so(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("name\ncafé\n".encode("latin-1"))
    with open_rows(tmp_path / "rows.csv", FileSpec(encoding="latin-1"), {}) as reader:
        assert [row.values for row in reader] == [{"name": "café"}]


def test_money_of_another_form_is_never_nothing() -> None:
    found = processed(case("money.jsonl"))
    assert [(letter.reason, letter.path) for letter in found.dead_letters] == [
        ("invalid_value", "$.properties.price")
    ] * 4
    assert "'19,90'" in found.dead_letters[0].message


def test_money_with_a_decimal_comma_needs_a_word_in_the_mapping(tmp_path: Path) -> None:
    letters = processed(case("money_semicolon.csv"), case("shop_semi.toml")).dead_letters
    assert [(letter.row, letter.path) for letter in letters] == [(2, "$.properties.price"), (3, "$.properties.price")]
    assert letters[0].message == "properties.price is '1.234,56', which the file's mapping can't read"
    mapping = tmp_path / "shop_semi.toml"
    mapping.write_text(case("shop_semi.toml").read_text() + 'number = { decimal = ",", thousands = "." }\n')
    assert processed(case("money_semicolon.csv"), mapping).amount_24h("v-1") == pytest.approx(1246.56)


def test_a_refund_is_a_value() -> None:
    found = processed(case("refund.jsonl"))
    amount = found.profile("r")["amount"]
    assert (amount["newest"], amount["mean"], amount["values"]) == (-90, 70, 3)
    assert amount["deviation"] == pytest.approx(16.33, abs=0.005)
    assert found.amount_24h("r") == 120


def test_labels_of_0_and_1() -> None:
    found = processed(case("labels_01.jsonl"), pack="payments")
    assert found.dead_letters == []
    assert found.tally.unmatched_labels == 0
    window = found.profile("c-1")["windows"]["30d"]
    assert (window["labelled"], window["labelled_bad"]) == (2, 1)


def test_nobody_is_no_user() -> None:
    found = processed(case("nobody_ids.jsonl"))
    assert [(letter.reason, letter.path) for letter in found.dead_letters] == [("missing_field", "$.user_id")] * 3
    assert found.users == set()


def test_seconds_for_milliseconds_are_called_so() -> None:
    letters = processed(case("epoch_seconds.jsonl")).dead_letters
    assert len(letters) == 2
    assert all("looks like seconds" in letter.message for letter in letters)


def test_the_same_moment_is_the_same_hour_or_a_dead_letter() -> None:
    found = processed(case("context_clock.jsonl"))
    accepted = [found.profile(user)["hour_profile"].index(1) for user in sorted(found.users)]
    assert (len(accepted), set(accepted)) == (4, {0})
    assert [letter.path for letter in found.dead_letters] == ["$.context.timezone"] * 2


def test_the_first_rows_of_retailrocket() -> None:
    found = processed(case("retailrocket_head.csv"), "retailrocket")
    assert (found.tally.accepted, found.dead_letters) == ({"view": 1, "cart": 1, "purchase": 1}, [])


def test_values_of_another_type_than_the_mapping_says_are_counted(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("when,who,what,price,title\n2026-11-02T10:00:00Z,u,view,cheap,x\n")
    mapping = tmp_path / "shop.toml"
    mapping.write_text(SHOP.replace("DELIMITER", ","))
    with ReplaySource(tmp_path / "rows.csv", mapping) as source:
        assert len(list(source)) == 1
        assert source.unread == {"properties.price": 1}


@pytest.mark.parametrize(
    "rows",
    [
        ('2026-11-02T10":00:00Z,u0,view,1,"x', '2026-11-02T10:00:01Z,u1,view,2,p,q"'),
        ('"2026-11-02T10:00:00Z,u0,view,1,x', '2026-11-02T10:00:01Z",u1,view,2,"p,q"'),
        ('2026-11-02T10:00:00Z,"u0,view,1,x', '2026-11-02T10:00:01Z,u1",view,2,x'),
    ],
)
def test_a_damaged_row_does_not_eat_another_damaged_one(tmp_path: Path, rows: tuple[str, str]) -> None:
    path, mapping = tmp_path / "rows.csv", tmp_path / "shop.toml"
    path.write_text("\n".join(("when,who,what,price,title", *rows)))
    mapping.write_text(SHOP.replace("DELIMITER", ","))
    with ReplaySource(path, mapping) as source:
        assert [record.row for record in source] == [2, 3]
