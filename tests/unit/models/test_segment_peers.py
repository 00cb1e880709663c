"""Peers of a segment: values as of the rows before, the same however the rows are cut."""

from __future__ import annotations

import numpy as np
import pytest

from support.folding import Runner
from support.probe import MINUTE_MS, PROBE_TOML, START_MS, event
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.models import stage
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.anomaly.segment_peers import SegmentPeers, Usual
from ubi_stream.packs.loader import parse_pack

PACK = parse_pack(PROBE_TOML.replace("[models]\n", '[models]\npeers = "segment"\n', 1), where="probe")


def same(one: Usual | None, other: Usual | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(np.array_equal(mine, yours, equal_nan=True) for mine, yours in zip(one, other, strict=True))


@pytest.mark.parametrize("cut", [1, 7, 60])
def test_each_segment_has_a_baseline_of_its_own_however_the_rows_are_cut(cut: int) -> None:
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(60, 2))
    segments = [("", "few", "many", "many")[n % 4] for n in range(60)]
    entities = [n % 9 for n in range(60)]
    peers, found = SegmentPeers(2, block=10), list[Usual | None]()
    for start in range(0, 60, cut):
        part = slice(start, start + cut)
        found += peers.run(rows[part], segments[part], entities[part])
    wanted = {name: PeerBaseline(2, block=10) for name in ("few", "many")}
    for place, name in enumerate(segments):
        seen = wanted.get(name)
        expected = None if seen is None or seen.n_seen < 10 else (seen.usual, seen.typical)
        assert same(found[place], expected), place
        if seen is not None:
            seen.observe(rows[place : place + 1], [entities[place]])
    assert any(one is not None for one in found)


def risk_of_a_deep_visit(pack_text_peers: bool, *, batch: int = 500) -> Insight:
    """A passer-by who becomes a browser with a deep visit, after many visits of one step and some of nine."""
    pack = PACK if pack_text_peers else parse_pack(PROBE_TOML, where="probe")
    contents = [event(f"p{n}", START_MS + n * MINUTE_MS, session_id="a") for n in range(90)]
    for user in range(12):
        at_ms = START_MS + (100 + 20 * user) * MINUTE_MS
        contents += [event(f"d{user}", at_ms + n * 20_000, session_id="b") for n in range(9)]
    runner, told = Runner(pack), list[Insight]()
    for start in range(0, len(contents), batch):
        told += runner.run(*contents[start : start + batch]).insights
    return [one for one in told if (one.kind, one.label) == (InsightKind.RISK, "deep")][-1]


def test_a_browser_is_compared_with_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "_PEERS_BLOCK", 20)
    depth = [risk_of_a_deep_visit(is_on).explanation.contributions[0] for is_on in (False, True)]
    assert [one.feature for one in depth] == ["session_depth"] * 2
    assert depth[0].peers is not None
    assert depth[1].peers is not None
    assert depth[1].peers > depth[0].peers + 2


@pytest.mark.parametrize("batch", [1, 13])
def test_what_it_is_compared_with_does_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(stage, "_PEERS_BLOCK", 20)
    assert risk_of_a_deep_visit(True, batch=batch) == risk_of_a_deep_visit(True)
