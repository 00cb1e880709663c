"""Cells become values; what can't be read stays as it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ubi_stream.mappings.times import time_reader
from ubi_stream.mappings.values import CONVERTERS, ColumnType, number_reader, parse_duration_ms

MOMENT_MS = 1_569_888_001_250  # 2019-10-01 00:00:01.250 UTC


@pytest.mark.parametrize(
    ("to", "cell", "expected"),
    [
        ("string", 12, "12"),
        ("string", 12.0, "12"),
        ("string", 12.5, "12.5"),
        ("string", False, "false"),
        ("string", date(2019, 10, 1), "2019-10-01"),
        ("string", {"a": 1}, {"a": 1}),
        ("number", " 3.5 ", 3.5),
        ("number", Decimal("3.5"), 3.5),
        ("number", "1_000", "1_000"),
        ("number", "nan", "nan"),
        ("number", True, True),
        ("number", [1], [1]),
        ("int", "12.0", 12),
        ("int", "1e3", 1000),
        ("int", 12.5, 12.5),
        ("int", "1_000", "1_000"),
        ("int", "9" * 30, "9" * 30),
        ("int", "9" * 5000, "9" * 5000),
        ("int", 2**63, 2**63),
        ("int", True, True),
        ("int", float("inf"), float("inf")),
        ("bool", "TRUE", True),
        ("bool", 0, False),
        ("bool", 1.0, True),
        ("bool", "2", "2"),
        ("json", "[1, 2]", [1, 2]),
        ("json", "[1, 2", "[1, 2"),
        ("json", 5, 5),
    ],
)
def test_converts_or_passes_on(to: ColumnType, cell: object, expected: object) -> None:
    result = CONVERTERS[to](cell)
    assert result == expected
    assert type(result) is type(expected)


cells: st.SearchStrategy[Any] = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.binary(), st.datetimes(), st.lists(st.text())
)


@given(cells)
def test_no_cell_makes_a_converter_or_time_reader_raise(cell: Any) -> None:
    for convert in CONVERTERS.values():
        convert(cell)
    for time_format in ("iso", "s", "ms", "us", "%d/%m/%Y"):
        time_ms = time_reader(time_format, "UTC")(cell)
        assert time_ms is None or isinstance(time_ms, int)


@pytest.mark.parametrize(
    ("time_format", "zone", "cell"),
    [
        ("iso", "UTC", "2019-10-01T00:00:01.250Z"),
        ("iso", "UTC", "2019-10-01 00:00:01.250"),
        ("iso", "UTC", "2019-10-01T02:00:01.250+02:00"),
        ("iso", "Europe/Berlin", "2019-10-01T02:00:01.250"),
        ("iso", "Europe/Berlin", "2019-10-01T00:00:01.250Z"),
        ("iso", "UTC", datetime(2019, 10, 1, 0, 0, 1, 250_000)),
        ("iso", "UTC", datetime(2019, 10, 1, 2, 0, 1, 250_000, tzinfo=timezone(timedelta(hours=2)))),
        ("s", "UTC", "1569888001.25"),
        ("s", "UTC", 1569888001.25),
        ("ms", "UTC", "1569888001250"),
        ("us", "UTC", 1569888001250000),
        ("ms", "UTC", datetime(2019, 10, 1, 0, 0, 1, 250_000, tzinfo=UTC)),
        ("%d.%m.%Y %H:%M:%S.%f", "UTC", "01.10.2019 00:00:01.250"),
        ("%Y-%m-%d %H:%M:%S.%f %z", "UTC", "2019-10-01 02:00:01.250 +0200"),
    ],
)
def test_reads_one_moment_written_in_many_ways(time_format: str, zone: str, cell: object) -> None:
    assert time_reader(time_format, zone)(cell) == MOMENT_MS


@pytest.mark.parametrize("cell", ["", "soon", None, True, [], "1e30", "inf", -1e30])
@pytest.mark.parametrize("time_format", ["iso", "s", "%Y-%m-%d"])
def test_what_is_no_time_is_none(time_format: str, cell: object) -> None:
    assert time_reader(time_format, "UTC")(cell) is None


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1.234,56", 1234.56),
        ("1234,56", 1234.56),
        ("12,00", 12.0),
        ("-1.234.567,8", -1234567.8),
        ("\N{MINUS SIGN}5", -5.0),
        (",5", 0.5),
        ("€ 19,90", 19.9),
        ("19,90 EUR", 19.9),
        ("-€19,90", -19.9),
        (7.5, 7.5),
        ("1234.56", "1234.56"),  # a point is no decimal sign here, and no group of two
        ("12.34,5", "12.34,5"),
        ("1.23", "1.23"),
        ("1,234,5", "1,234,5"),
        ("$5", "$5"),
        ("free", "free"),
        ("", ""),
        (None, None),
    ],
)
def test_reads_numbers_as_the_mapping_says_they_are_written(cell: object, expected: object) -> None:
    assert number_reader(",", ".", ["€", "EUR"])(cell) == expected


@pytest.mark.parametrize(("cell", "expected"), [("1,234.50", 1234.5), ("12,34.5", "12,34.5"), ("1 234", "1 234")])
def test_groups_of_digits_have_three(cell: str, expected: object) -> None:
    assert number_reader(".", ",", [])(cell) == expected


@pytest.mark.parametrize(
    ("written", "expected_ms"),
    [
        ("2026-03-29 01:59:59", 1_774_745_999_000),
        ("2026-03-29 02:30:00", None),  # clocks go from 02:00 to 03:00
        ("2026-03-29 03:00:00", 1_774_746_000_000),
        ("2026-10-25 02:30:00", 1_792_888_200_000),  # twice that night: the first
        ("2026-07-02 10:00:00.500", None),
        ("2026-07-02T10:00:00", None),
        ("2026-07-02 10:00", None),
    ],
)
def test_a_time_fits_its_pattern_and_its_zone(written: str, expected_ms: int | None) -> None:
    assert time_reader("%Y-%m-%d %H:%M:%S", "Europe/Berlin")(written) == expected_ms


@pytest.mark.parametrize("time_format", ["iso", "ms", "%Y-%m-%d"])
def test_a_day_begins_at_midnight_in_its_zone(time_format: str) -> None:
    assert time_reader(time_format, "Europe/Berlin")(date(2026, 7, 2)) == 1_782_943_200_000


@pytest.mark.parametrize("time_format", ["", "seconds", "%H:%M", "%d.%m.", "%Q"])
def test_refuses_a_format_without_the_whole_date(time_format: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        time_reader(time_format, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", ""])
def test_refuses_an_unknown_time_zone(zone: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        time_reader("iso", zone)


@pytest.mark.parametrize(
    ("text", "expected_ms"), [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("12h", 43_200_000), ("0d", 0)]
)
def test_reads_durations(text: str, expected_ms: int) -> None:
    assert parse_duration_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["3", "d", "-3d", "1.5h", "3 days", ""])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="3d"):
        parse_duration_ms(text)
