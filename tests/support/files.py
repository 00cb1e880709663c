"""Runs a file through the pipeline as `ubi replay --offline` does, and keeps what a test looks at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.effects import Tally
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.web.profile import profile

_CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"


def case(name: str) -> Path:
    """Path of an input that was once read wrongly; skips the test where the folder of such files is absent."""
    if not _CASES.is_dir():
        pytest.skip("the folder of inputs, ../shared/cases, is not here")
    return _CASES / name


@dataclass(frozen=True)
class Letter:
    """A dead letter, and the row that it came from."""

    reason: str
    path: str
    message: str
    row: int
    fault: str
    value: bytes


@dataclass(frozen=True)
class Processed:
    """What a file brought about."""

    run: OfflineRun
    pack: str
    tally: Tally
    dead_letters: list[Letter]
    insights: list[Any]
    users: set[str]

    def profile(self, user: str) -> dict[str, Any]:
        """A user's profile as the views show it."""
        pack = load_pack(self.pack)
        for number in range(Settings().partitions):
            live = self.run.partition("user", number).store.get(user)
            if live is not None:
                return profile(compile_plan(pack, "user"), user, live.state, {})
        raise AssertionError(f"nothing is known of {user}")

    def amount_24h(self, user: str) -> float:
        """Money of a user's last day."""
        return float(self.profile(user)["windows"]["24h"]["amount"])


def processed(path: Path, mapping: Path | str = "own", pack: str | None = None) -> Processed:
    """Run a file through a pack: that which is asked for, or that of its mapping, or the shop's."""
    with ReplaySource(path, mapping) as source:
        name = pack or source.mapping.pack or "ecommerce"
        records = list(source)
    rows: dict[bytes | None, ProducerRecord] = {record.value: record for record in records}
    run = OfflineRun(load_pack(name), Settings(), now_ms=SystemClock().now_ms())
    letters, insights = [], []
    for effects in run.run(records):
        insights += effects.insights
        for letter in effects.dead_letters:
            origin = rows[letter.record.value]
            value = letter.record.value or b""
            letters.append(Letter(letter.reason.value, letter.path, letter.message, origin.row, origin.fault, value))
    run.users()
    known = {key.decode() for (entity, _), states in run._states.items() if entity == "user" for key in states}
    return Processed(run, name, run.tally, sorted(letters, key=lambda one: one.row), insights, known)
