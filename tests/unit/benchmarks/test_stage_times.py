"""The table of stages times the pipeline's own calls, and adds up."""

from __future__ import annotations

import pytest

from benchmarks.stages import IN_PIPELINE, STAGES, as_markdown, measure, read_records
from ubi_stream.packs.loader import load_pack


def test_every_stage_is_timed_and_they_add_up_to_all() -> None:
    rows = measure(read_records(None, "own", 900), 300, 100, load_pack("ecommerce"))
    times = {row.stage: row.us_per_event for row in rows}
    assert tuple(times) == (*STAGES, "all")
    assert all(times[stage] > 0 for stage in IN_PIPELINE if stage != "featurize")  # a difference: may be noise
    assert sum(times[stage] for stage in STAGES) == pytest.approx(times["all"], abs=0.1)
    assert len(as_markdown(rows).splitlines()) == len(rows) + 2
