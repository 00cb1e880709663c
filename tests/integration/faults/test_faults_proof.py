"""The proof itself, short: it comes out clean, and it would not where a worker counted twice."""

from __future__ import annotations

import polars  # noqa: F401 - its import sets an environment variable: here, not within a test
import pytest

from benchmarks.faults.breaking import deaths_between_steps
from benchmarks.faults.broken_worker import STEPS
from benchmarks.faults.engine import Input, run_scenario
from benchmarks.faults.run import Servers
from benchmarks.faults.scenarios import CONTROL, Scenario
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.replay.chaos import ChaosOptions

pytestmark = pytest.mark.slow  # each kills and starts a worker several times

SHORT = Scenario(
    "short",
    "death between each two steps of a barrier; duplicates and poison",
    deaths_between_steps,
    "shoppers",
    chaos=ChaosOptions(duplicates=0.10, poison=0.05, duplicate_within_ms=7_200_000),
    per_s=100,
    sends_itself=True,
    facts={"steps": STEPS[1:5]},  # from the effects to the states; `make faults` has them all
)


async def test_deaths_between_steps_duplicates_and_poison_lose_and_double_nothing(
    kafka: EmbeddedKafka, postgres: EmbeddedPostgres
) -> None:
    result = await run_scenario(Servers(kafka, postgres), SHORT, Input(events=1_500, seed=3))
    assert result.failure == ""
    assert result.clean, result.verdict
    assert result.exits[-9] == 1 + 4
    assert result.events > 1_500
    assert 0 < result.recovery_s < 30


async def test_the_proof_fails_without_idempotence(kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
    result = await run_scenario(Servers(kafka, postgres), CONTROL, Input(events=1_500, seed=3))
    assert result.failure == ""
    assert result.verdict.lost == 0
    assert result.verdict.doubled > 0
    assert not result.clean
