"""Runs a scenario: servers are there; stream and fault at the same time; then everything is compared."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import inputs
from benchmarks.faults.compare import Verdict, compare_figures, compare_insights, compare_letters
from benchmarks.faults.oracle import expected
from benchmarks.faults.oracle_rules import Rules
from benchmarks.faults.proxy import SlowProxy
from benchmarks.faults.reference import Reference, reference
from benchmarks.faults.run import Run, Servers, prepared
from benchmarks.faults.scenarios import Scenario
from benchmarks.faults.topics import LogRecord, read_delivered, read_figures, read_topic
from ubi_stream.local.process import log_tail
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.resources import config_dir


@dataclass(frozen=True)
class Input:
    """Which events: invented ones, or those of a file; how many, and by which seed."""

    events: int
    seed: int
    file: Path | None = None
    mapping: str | None = None


@dataclass(frozen=True)
class Result:
    """What came of a scenario."""

    scenario: Scenario
    events: int
    verdict: Verdict
    recovery_s: float
    seconds: float
    exits: Counter[int]
    memory_mb_per_min: float | None = None
    failure: str = ""

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or wrong, and it came to its end."""
        return self.verdict.clean and not self.failure


async def run_scenario(servers: Servers, scenario: Scenario, source: Input) -> Result:
    """Run one scenario from start to comparison; an outage that doesn't end is a result too."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    pack, records = _stream(scenario, source)
    with tempfile.TemporaryDirectory(prefix="ubi-faults-") as folder:
        async with AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(SlowProxy(servers.postgres.port)) if scenario.slow_proxy else None
            run = await stack.enter_async_context(
                prepared(
                    servers,
                    Path(folder),
                    pack=pack,
                    records=records,
                    per_s=scenario.per_s,
                    seed=source.seed,
                    postgres_port=proxy.port if proxy else None,
                    **scenario.settings,
                )
            )
            run.facts |= {**scenario.facts, "proxy": proxy}
            failure = await _endure(run, scenario)
            await run.fleet.stop()
            verdict = await _compare(run, scenario, pack, records)
            if failure:
                failure += "\n" + "\n".join(log_tail(worker.log_file) for worker in run.fleet.workers)
            return Result(
                scenario,
                len(records),
                verdict,
                max(run.recoveries, default=0.0),
                loop.time() - started_s,
                run.fleet.exits(),
                slope_mb_per_min(run.facts.get("memory", [])),
                failure,
            )


def slope_mb_per_min(lives: Sequence[Sequence[tuple[float, float]]]) -> float | None:
    """How memory grew within a worker's lives, in MiB a minute: least squares, each life about its own mean."""
    xy = xx = 0.0
    for samples in lives:
        settled = samples[len(samples) // 3 :]  # caches fill first
        if len(settled) < 3:
            continue
        middle_s = sum(at for at, _ in settled) / len(settled)
        middle_mb = sum(size for _, size in settled) / len(settled)
        xy += sum((at - middle_s) * (size - middle_mb) for at, size in settled)
        xx += sum((at - middle_s) ** 2 for at, _ in settled)
    return 60 * xy / xx if xx else None


async def _endure(run: Run, scenario: Scenario) -> str:
    """Stream and fault, until all is settled; says what went wrong where it is not."""
    await run.fleet.grow(scenario.workers)
    sending = None if scenario.sends_itself else asyncio.create_task(run.send_some())
    try:
        try:
            await scenario.fault(run)
        finally:
            _bring_back(run.servers)
        await (sending or run.send_some())
        await run.settled()
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs into the table, and the next scenario runs
        return f"{type(error).__name__}: {error}"
    finally:
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending])
    return ""


def _bring_back(servers: Servers) -> None:
    for server in (servers.kafka, servers.postgres):
        if server.running:
            server.resume()
        else:
            server.start()


async def _compare(run: Run, scenario: Scenario, pack: str, records: Sequence[ProducerRecord]) -> Verdict:
    settings, verdict = run.settings, Verdict()
    log = await read_topic(settings, settings.events_topic)
    _compare_log(verdict, records, log)
    rules = Rules.read(_pack_file(pack))
    wanted = expected(log, rules)
    compare_figures(
        verdict, wanted, {entity.name: await read_figures(settings, rules, entity.name) for entity in rules.entities}
    )
    delivered = await read_delivered(settings)
    compare_letters(verdict, wanted, delivered)
    compare_insights(verdict, delivered, await _reference(run, log) if scenario.exact else None)
    return verdict


async def _reference(run: Run, log: list[LogRecord]) -> Reference:
    logs = {"user": log}
    for entity in run.pack.entities[1:]:
        logs[entity.name] = await read_topic(run.settings, run.settings.repartition_topic(entity.name))
    return await asyncio.to_thread(reference, run.settings, run.pack, logs)


def _compare_log(verdict: Verdict, records: Sequence[ProducerRecord], log: Sequence[LogRecord]) -> None:
    sent = Counter((record.key, record.value) for record in records)
    found = Counter((record.key, record.value) for record in log)
    verdict.lost += (sent - found).total()
    verdict.doubled += (found - sent).total()


def _stream(scenario: Scenario, source: Input) -> tuple[str, list[ProducerRecord]]:
    if source.file is not None:
        mapping = source.mapping or "own"
        pack, records = inputs.pack_of(mapping), inputs.from_file(source.file, mapping, source.events)
    elif scenario.stream == "payments":
        pack, records = "payments", inputs.payments(source.events, source.seed)
    else:
        pack, records = "ecommerce", inputs.shoppers(source.events, source.seed)
    if scenario.chaos is not None:
        records = inputs.spoiled(records, scenario.chaos)
    if scenario.wrong_keys:
        records = list(inputs.with_wrong_keys(records, source.seed))
    return pack, records


def _pack_file(pack: str) -> Path:
    shipped = config_dir() / "packs" / f"{pack}.toml"
    return shipped if shipped.is_file() else Path(pack)
