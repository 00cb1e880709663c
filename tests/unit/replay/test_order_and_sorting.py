"""How the times of a file run, and records in the order of time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.data.order import FastClock, OrderWatch
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.sorting import by_time

DAY_MS = 86_400_000


def watch(*times_ms: int | None) -> OrderWatch:
    found = OrderWatch()
    for row, time_ms in enumerate(times_ms, 1):
        found.add(row, time_ms)
    return found


def test_a_file_in_order_has_nothing_to_tell() -> None:
    found = watch(*(n * DAY_MS for n in range(100)), None)
    assert (found.behind, found.fast_clock()) == (0, None)


#   day:  0 0 0 ... 60 0 0 ...
def test_one_row_far_ahead_of_all_others() -> None:
    times = [n * 1000 for n in range(100)]
    times[50] = 60 * DAY_MS + 50_000
    found = watch(*times)
    assert found.behind == 49
    assert found.fast_clock() == FastClock(row=51, rows=1, ahead_days=60.0)


def test_seconds_of_disorder_are_those_of_several_machines() -> None:
    assert watch(*(n * 1000 - n % 2 * 5000 for n in range(100))).behind == 0


def test_a_pause_at_the_end_of_a_file_is_no_fast_clock() -> None:
    assert watch(*range(100), 60 * DAY_MS).fast_clock() is None


def test_many_rows_far_ahead_are_a_file_in_no_order() -> None:
    found = watch(*(n % 2 * 60 * DAY_MS + n for n in range(100)))
    assert found.fast_clock() is None
    assert found.behind == 49


def test_the_first_of_several_fast_clocks_counts() -> None:
    times = [n * 1000 for n in range(200)]
    times[20], times[30] = 90 * DAY_MS, 40 * DAY_MS
    assert watch(*times).fast_clock() == FastClock(row=21, rows=2, ahead_days=90.0)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=60), st.integers(1, 9))
def test_sorted_in_pieces_is_sorted_at_once(times: list[int | None], chunk: int) -> None:
    records = [ProducerRecord(b"u", str(n).encode(), time_ms, n, "") for n, time_ms in enumerate(times)]
    found = list(by_time(records, piece_records=chunk))
    assert found == list(by_time(records))
    assert sorted(found, key=lambda record: record.row) == records
    known = [record.time_ms for record in found if record.time_ms is not None]
    assert known == sorted(known)
