"""Runs a scenario: servers are there; stream and fault at the same time; then everything is compared."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.faults import inputs
from benchmarks.faults.compare import Verdict, compare_figures, compare_insights, compare_letters
from benchmarks.faults.machine import SmallDisk
from benchmarks.faults.oracle import expected
from benchmarks.faults.oracle_rules import Rules
from benchmarks.faults.proxy import SlowProxy
from benchmarks.faults.reference import Reference, reference
from benchmarks.faults.run import Run, Servers, prepared
from benchmarks.faults.scenarios import Scenario
from benchmarks.faults.topics import LogRecord, read_delivered, read_figures, read_topic
from ubi_stream.data.records import ProducerRecord
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.process import log_tail
from ubi_stream.resources import config_dir

_SMALL_DISK_MB: Final = 768
"""Room for a server with the whole stream, before it is filled up."""


@dataclass(frozen=True)
class Input:
    """Which events: invented ones, or those of a file; how many, and by which seed."""

    events: int
    seed: int
    file: Path | None = None
    mapping: str | None = None


@dataclass(frozen=True)
class Result:
    """What came of a scenario; `memory_mb` is the most that a worker had, in MiB."""

    scenario: Scenario
    events: int
    verdict: Verdict
    recovery_s: float
    seconds: float
    exits: Counter[int]
    memory_mb: float = 0.0
    notes: tuple[str, ...] = ()
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
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ubi-faults-")))
        disk = None
        if scenario.small_disk is not None:
            disk = stack.enter_context(SmallDisk(folder / "disk", size_mb=_SMALL_DISK_MB))
            servers = await _moved(stack, servers, scenario.small_disk, disk.folder)
            folder = disk.folder if scenario.small_disk == "kafka" else folder  # for the logs of workers
        proxy = await stack.enter_async_context(SlowProxy(servers.postgres.port)) if scenario.slow_proxy else None
        run = await stack.enter_async_context(
            prepared(
                servers,
                folder,
                pack=pack,
                records=records,
                per_s=scenario.per_s,
                seed=source.seed,
                postgres_port=proxy.port if proxy else None,
                **scenario.settings,
            )
        )
        run.context |= {**scenario.context, "proxy": proxy, "disk": disk}
        failure, memory_mb = await _endure(run, scenario)
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
            memory_mb,
            tuple(run.notes),
            failure,
        )


async def _moved(stack: AsyncExitStack, servers: Servers, which: str, folder: Path) -> Servers:
    """The same servers, but for one on a disk of its own."""
    if which == "kafka":
        return replace(servers, kafka=await stack.enter_async_context(EmbeddedKafka(folder / "kafka")))
    return replace(servers, postgres=await stack.enter_async_context(EmbeddedPostgres(folder / "postgres")))


async def _endure(run: Run, scenario: Scenario) -> tuple[str, float]:
    """Stream and fault, until all is settled; what went wrong, and the most memory that a worker had, in MiB."""
    await run.fleet.grow(scenario.workers)
    async with run.fleet.memory_watched() as peak:
        return await _break(run, scenario), peak()


async def _break(run: Run, scenario: Scenario) -> str:
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
    verdict.add("lost", "records that the log lacks", (sent - found).total())
    verdict.add("doubled", "records that the log has too many of", (found - sent).total())


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
    if scenario.skewed_clocks:
        records = list(inputs.with_skewed_clocks(records, source.seed))
    return pack, records


def _pack_file(pack: str) -> Path:
    shipped = config_dir() / "packs" / f"{pack}.toml"
    return shipped if shipped.is_file() else Path(pack)
