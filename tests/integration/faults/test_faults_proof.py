"""The proof itself, short: it comes out clean, and it would not where a worker counted twice."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

import pytest

from benchmarks.faults.breaking import broker_killed, deaths_between_steps
from benchmarks.faults.engine import Input, run_scenario
from benchmarks.faults.run import Run, Servers
from benchmarks.faults.scenarios import CONTROL, Scenario
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.synthetic.chaos import ChaosOptions

pytestmark = pytest.mark.timeout(600)  # 25 s each on two idle cores; what a busy machine may take is not the question

EVENTS = 3_000


async def death_then_outage(run: Run) -> None:
    """The worker dies with half of its states written; then the broker dies and comes back."""
    await deaths_between_steps(run)
    async with asyncio.TaskGroup() as both:
        both.create_task(run.send_some())
        await broker_killed(run)


SHORT = Scenario(
    "short",
    "death in the middle of a barrier; broker killed, back at once; duplicates and poison",
    death_then_outage,
    "shoppers",
    chaos=ChaosOptions(duplicates=0.10, poison=0.05, duplicate_within_ms=7_200_000),
    per_s=400,
    sends_itself=True,
    context={"steps": ("between-states",), "at": (0.7,), "away_s": 0},
)


async def test_a_death_an_outage_duplicates_and_poison_lose_and_double_nothing(
    kafka: EmbeddedKafka, postgres: EmbeddedPostgres
) -> None:
    result = await run_scenario(Servers(kafka, postgres), SHORT, Input(EVENTS, seed=3))
    assert result.failure == "", result.failure
    assert result.clean, result.verdict
    assert result.exits[-signal.SIGKILL] == 2  # to become one that can die between two steps, and there
    assert result.events > 1.1 * EVENTS
    assert result.recovery_s > 0


async def test_the_proof_fails_without_idempotence(kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
    control = replace(CONTROL, context={"steps": ("after-done",)}, per_s=400)
    result = await run_scenario(Servers(kafka, postgres), control, Input(EVENTS // 2, seed=3))
    assert result.failure == "", result.failure
    assert result.verdict.lost == 0
    assert result.verdict.doubled > 0
    assert not result.clean
