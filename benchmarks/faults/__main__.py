"""`python -m benchmarks.faults`: break things on purpose, and count what was lost.

The last line is JSON. The exit status is 1 where anything is not zero.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.faults.engine import Input, Result, run_scenario
from benchmarks.faults.machine import can_mount
from benchmarks.faults.report import as_json, show, with_table
from benchmarks.faults.run import Servers
from benchmarks.faults.scenarios import CONTROL, FULL, QUICK, SOAK, Scenario, soaking
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres

_QUICK_EVENTS, _FULL_EVENTS = 8_000, 100_000
_TABLE_WIDTH = 160


async def run_all(scenarios: Sequence[Scenario], source: Input, console: Console, page: Path | None) -> list[Result]:
    """One after the other, on one broker and one database; the page has what is done so far."""
    results: list[Result] = []
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # servers and disks don't stay behind
    with tempfile.TemporaryDirectory(prefix="ubi-faults-") as folder:
        kafka, postgres = EmbeddedKafka(Path(folder) / "kafka"), EmbeddedPostgres(Path(folder) / "postgres")
        async with kafka, postgres:
            for scenario in scenarios:
                console.print(f"{scenario.name}: {scenario.how}", highlight=False)
                if scenario.small_disk is not None and not can_mount():
                    console.print("  left out: a disk that can be filled needs the right to mount one")
                    continue
                events = source
                if scenario.minutes is not None:
                    events = replace(source, events=int(scenario.minutes * 60 * scenario.per_s))
                results.append(await run_scenario(Servers(kafka, postgres), scenario, events))
                console.print(f"  {as_json(results[-1:])}", highlight=False, soft_wrap=True)
                if page is not None:
                    _note(page, results)
    return results


def _note(page: Path, results: Sequence[Result]) -> None:
    order = [*(scenario.name for scenario in FULL), SOAK]
    page.write_text(with_table(page.read_text(encoding="utf-8"), results, order), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four scenarios, under five minutes")
    parser.add_argument("--input", type=Path, help="events of any file instead of invented ones")
    parser.add_argument("--mapping", help="how its rows become events; default: they are events")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--events", type=int, help=f"of each scenario; default {_FULL_EVENTS:,}, quick {_QUICK_EVENTS:,}"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="scenarios by name; repeatable")
    parser.add_argument(
        "--soak", type=float, default=0.0, metavar="MINUTES", help="and then a soak; with --only soak alone"
    )
    parser.add_argument("--document", type=Path, help="put the table into this page as well, between its two marks")
    options = parser.parse_args(arguments)
    if options.mapping and not options.input:
        parser.error("--mapping says how to read --input")
    if options.quick and options.document:
        parser.error("the page has the whole table, of scenarios that last longer than those of --quick")
    known = [*(QUICK if options.quick else FULL), CONTROL, soaking(options.soak)]
    if unknown := set(options.only) - {scenario.name for scenario in known}:
        parser.error(f"no scenario {sorted(unknown)}; there are {[scenario.name for scenario in known]}")
    wanted = options.only or [scenario.name for scenario in known[:-2]]
    scenarios = [s for s in known if s.name in wanted or (s.name == SOAK and options.soak)]
    if SOAK in options.only and not options.soak:
        parser.error("--only soak needs --soak MINUTES")
    events = options.events or (_QUICK_EVENTS if options.quick else _FULL_EVENTS)
    console = Console()
    console.width = max(console.width, _TABLE_WIDTH)  # a file is no terminal, and has no width
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients, who see every outage
    source = Input(events, options.seed, options.input, options.mapping)
    try:
        results = asyncio.run(run_all(scenarios, source, console, options.document))
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    show(console, results)
    print(as_json(results))
    return 0 if all(result.clean for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
