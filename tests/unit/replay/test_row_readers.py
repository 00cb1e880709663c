"""Every format gives the same rows; broken rows are values; a broken file is an error that says what is wrong."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubi_stream.data import parquet
from ubi_stream.data.readers import open_rows
from ubi_stream.data.source import ReplaySource
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.specs import FileSpec
from ubi_stream.zstd import ZstdFile

PLAIN = FileSpec()
SHOP = """
description = "A shop"
[event]
event_time = { column = "t", format = "ms" }
event_type = "e"
user_id = "u"
[properties]
price = { column = "p", type = "number" }
"""


def read(path: Path, layout: FileSpec = PLAIN) -> list[dict[str, object] | str]:
    """Values of each row, or the raw text of a broken one."""
    with open_rows(path, layout, {}) as reader:
        return [row.values if row.values is not None else _text(row.raw) for row in reader]


def _text(raw: str | bytes) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def zstd_compress(data: bytes) -> bytes:
    packed = io.BytesIO()
    with ZstdFile(packed, "wb") as stream:
        stream.write(data)
    return packed.getvalue()


def compress(path: Path, suffix: str) -> Path:
    data = path.read_bytes()
    packed = path.with_name(path.name + suffix)
    packed.write_bytes(gzip.compress(data) if suffix == ".gz" else zstd_compress(data))
    return packed


@pytest.fixture
def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "t": range(1_000, 1_300),
            "e": ["view", "cart"] * 150,
            "u": [f"u{n % 7}" for n in range(300)],
            "p": [None if n % 5 == 0 else n / 4 for n in range(300)],
        }
    )


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "parquet"])
def test_every_format_gives_the_events_of_the_csv_file(
    tmp_path: Path,
    frame: pl.DataFrame,
    make_mapping: Callable[[str], Mapping],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    suffix: str,
) -> None:
    monkeypatch.setattr(parquet, "PARQUET_BATCH_ROWS", 70)
    frame.write_csv(tmp_path / "rows.csv")
    path = tmp_path / f"rows.{kind}"
    frame.write_parquet(path) if kind == "parquet" else frame.write_ndjson(path)
    if suffix:
        path = compress(path, suffix)
    mapping = make_mapping(SHOP)
    with ReplaySource(tmp_path / "rows.csv", mapping) as source, ReplaySource(path, mapping) as other:
        expected, found = ([(item.key, item.value, item.time_ms) for item in one] for one in (source, other))
        assert found == expected
        assert len(found) == other.rows_read == 300
        assert other.bytes_read == other.total_bytes == path.stat().st_size


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_csv_file_reads_as_the_plain_one(tmp_path: Path, frame: pl.DataFrame, suffix: str) -> None:
    frame.write_csv(tmp_path / "rows.csv")
    assert read(compress(tmp_path / "rows.csv", suffix)) == read(tmp_path / "rows.csv")


def test_zstandard_frames_in_a_row_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.zst"
    path.write_bytes(b"".join(zstd_compress(b'{"a": %d}\n' % n * 5_000) for n in range(3)))
    assert read(path) == [{"a": n} for n in range(3) for _ in range(5_000)]


def test_csv_with_quotes_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "rows.CSV"
    path.write_bytes(b'\xef\xbb\xbfa;b\r\n"x;1";"say ""hi"""\r\n"two\r\nlines";2\r\n\r\n3;4')
    assert read(path, FileSpec(delimiter=";")) == [
        {"a": "x;1", "b": 'say "hi"'},
        {"a": "two\r\nlines", "b": "2"},
        {"a": "3", "b": "4"},
    ]


def test_csv_without_a_header_takes_the_columns_of_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,2\n3,4\n")
    assert read(path, FileSpec(columns=("a", "b"))) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_csv_rows_with_another_number_of_fields_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n1,2\n3\n4,5,6\ncaf\xe9\n7,8\n")
    assert read(path) == [{"a": "1", "b": "2"}, "3", "4,5,6", "caf\udce9", {"a": "7", "b": "8"}]


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    good = [{"a": str(n), "b": "x" * 50} for n in range(5_000)]  # more than the csv module's limit of a field
    lines = [f"{row['a']},{row['b']}" for row in good]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["a,b", *lines[:10], '10,"oops', *lines[10:]]))
    assert read(path) == [*good[:10], '10,"oops', *good[10:]]


def test_a_csv_field_over_the_limit_is_one_broken_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"a,b\n1,{'x' * 200_000}\n2,3\n")
    assert read(path) == [f"1,{'x' * 200_000}", {"a": "2", "b": "3"}]


def test_json_lines_that_are_no_objects_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\n  \n[1]\n{"a": \n"x"\n\xff\n{"a": 2}')
    assert read(path) == [{"a": 1}, "[1]", '{"a": ', '"x"', "\udcff", {"a": 2}]


@given(st.binary(max_size=400))
def test_no_bytes_make_a_text_reader_raise(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    for name in ("rows.csv", "rows.jsonl"):
        (folder / name).write_bytes(data)
        with contextlib.suppress(ConfigError):  # the file as a whole is another: UTF-16, an archive, a JSON array
            for values in read(folder / name, FileSpec(columns=("a", "b"))):
                assert isinstance(values, dict | str)


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.gz", "rows.csv.bz2", "csv"])
def test_unknown_kinds_of_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"of an unknown kind: expected a name ending in \.csv, \.tsv, \.jsonl"):
        open_rows(tmp_path / name, PLAIN, {})


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl.gz", "rows.parquet.zst"])
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"can't be read: No such file"):
        open_rows(tmp_path / name, PLAIN, {})


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_an_empty_csv_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith(".gz") else b"")
    with pytest.raises(ConfigError, match="is empty: expected a header"):
        open_rows(tmp_path / name, PLAIN, {})


def test_only_columns_that_are_read_must_be_there_once(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b,a,,\n1,2,3,,\n")
    with pytest.raises(ConfigError, match=r"column 'a' twice in its header: event\.user_id needs it once"):
        open_rows(tmp_path / "rows.csv", PLAIN, {"a": "event.user_id"})
    with open_rows(tmp_path / "rows.csv", PLAIN, {"b": "event.user_id"}) as reader:
        assert [row.values and row.values["b"] for row in reader] == ["2"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_column(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    frame = pl.DataFrame({"a": [1], "b": [2]})
    frame.write_csv(path) if kind == "csv" else frame.write_parquet(path)
    with pytest.raises(ConfigError, match=r"no column 'when', which event\.event_time needs; it has: a, b"):
        open_rows(path, PLAIN, {"a": "event.user_id", "when": "event.event_time"})


def test_a_column_inside_a_parquet_struct(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"a": [{"b": 1}]}).write_parquet(path)
    with open_rows(path, PLAIN, {"a.b": "event.user_id"}) as reader:
        assert [row.values for row in reader] == [{"a": {"b": 1}}]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_says_how_far_it_was_good(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"n": n, "x": str(n * n)}) + b"\n" for n in range(50_000)))
    packed = compress(path, suffix)
    packed.write_bytes(packed.read_bytes()[:-1000])
    with open_rows(packed, PLAIN, {}) as reader:
        with pytest.raises(ConfigError, match=r"is damaged after data row \d+"):
            list(reader)
        assert 0 < reader.rows_read < 50_000


@pytest.mark.parametrize("name", ["rows.parquet", "rows.parquet.gz"])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something else, and long enough to be looked at")
    with pytest.raises(ConfigError, match="no readable"):
        open_rows(tmp_path / name, PLAIN, {})


def test_without_polars_a_parquet_file_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.data.readers.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install 'ubi-stream\[parquet\]'"):
        open_rows(tmp_path / "rows.parquet", PLAIN, {})


def test_an_empty_parquet_file_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"a": []}).write_parquet(path)
    with open_rows(path, PLAIN, {}) as reader:
        assert list(reader) == []
        assert reader.bytes_read == reader.total_bytes


def test_the_unpacked_copy_of_a_parquet_file_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack_to = tmp_path / "temporary"
    unpack_to.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(unpack_to))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "rows.parquet")
    with open_rows(compress(tmp_path / "rows.parquet", ".zst"), PLAIN, {}) as reader:
        assert [row.values for row in reader] == [{"a": 1}]
        assert len(list(unpack_to.iterdir())) == 1
    assert list(unpack_to.iterdir()) == []


def test_progress_grows_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 200_000)
    with open_rows(path, PLAIN, {}) as reader:
        seen = [reader.bytes_read for row in reader if reader.rows_read % 50_000 == 0]
        assert seen == sorted(seen)
        assert len(set(seen)) > 2
        assert 0 < seen[0] < seen[-1] <= reader.total_bytes
