"""Plants known things, runs the product, writes ``benchmarks/signal.md``; the last line is JSON.

Run with ``python -m benchmarks.signal [--quick] [--seeds 1,2,3] [--only STREAM] [--processes N] [--out FILE]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import orjson

from benchmarks.signal.goals import goals_of, total_of
from benchmarks.signal.incidents import INCIDENTS
from benchmarks.signal.measure import DATA, STREAMS, Measured, Task, measure
from benchmarks.signal.public import FILES
from benchmarks.signal.report import goals_table, page, summary

SEEDS = (1, 2, 3)
PAGE = Path(__file__).parent.with_suffix(".md")


def full_tasks(seeds: Iterable[int]) -> Iterator[Task]:
    """Every stream with 100,000 events or more, for each seed; with one partition where it matters."""
    for seed in seeds:
        for stream in STREAMS:
            if stream not in FILES:
                yield Task(stream, seed, 130_000)
        for stream in (*INCIDENTS, "everything"):
            yield Task(stream, seed, 130_000, partitions=1)
    yield from public_tasks()


def public_tasks() -> Iterator[Task]:
    """The public files, where they are."""
    if DATA.is_dir():
        for name in FILES:
            yield Task(name, 0, 100_000)


def quick_tasks(seeds: Iterable[int]) -> Iterator[Task]:
    """Smaller streams, one of each that has to be."""
    for seed in seeds:
        yield Task("everything", seed, 110_000)
        yield Task("nothing", seed, 50_000)
        yield Task("days_apart", seed, 60_000)
        yield Task("equal_weeks", seed, 40_000)
        yield Task("changed_habits", seed, 40_000)
        yield Task("demo", seed, 20_000)
    yield from (task for task in public_tasks() if task.stream == "rees46")


def run_all(tasks: Sequence[Task], processes: int) -> Iterator[Measured]:
    """Run the tasks in so many processes; results come in the order of the tasks."""
    if processes <= 1:
        yield from map(measure, tasks)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(measure, tasks)


def _chosen(options: argparse.Namespace) -> Iterator[str]:
    """The options that make a difference to the figures."""
    if options.quick:
        yield "--quick"
    if options.seeds:
        yield f"--seeds {options.seeds}"
    if options.quick and options.read is not None:
        yield f"--read {options.read.name}"
    yield from (f"--only {stream}" for stream in options.only or ())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.signal", description="Is what is reported worth reading?")
    parser.add_argument("--quick", action="store_true", help="smaller streams of one seed, under a minute")
    parser.add_argument("--seeds", help="comma-separated; default 1,2,3, or 1 with --quick")
    parser.add_argument("--only", action="append", choices=sorted(STREAMS), help="this stream alone; may be repeated")
    parser.add_argument("--read", type=Path, help="write 40 insights of each public file here, to be read one by one")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help=f"default: {PAGE.name} beside the benchmark, none with --quick")
    options = parser.parse_args(arguments)
    default = SEEDS[:1] if options.quick else SEEDS
    seeds = tuple(map(int, options.seeds.split(","))) if options.seeds else default
    tasks = list(quick_tasks(seeds) if options.quick else full_tasks(seeds))
    if options.quick and options.read is not None:
        tasks = list(dict.fromkeys((*tasks, *public_tasks())))
    if options.only is not None:
        tasks = [task for task in tasks if task.stream in options.only]
    if not tasks:
        parser.error("none of these streams is among those of --quick")
    measured: list[Measured] = []
    for one in run_all(tasks, options.processes):
        measured.append(one)
        print(f"{one.task.stream} {one.task.seed}: {one.figures.events:,} events, {one.seconds:.0f} s", file=sys.stderr)
    groups = {"default settings": [one for one in measured if one.task.partitions is None]}
    groups["one partition"] = [one for one in measured if one.task.partitions == 1]
    totals = {name: total_of(ones) for name, ones in groups.items() if ones}
    for name, total in totals.items():
        print("\n".join([f"{name}:", *goals_table(goals_of(total))]))
    if options.read is not None:
        lines = [line for one in measured if one.to_read for line in (f"# {one.task.stream}", *one.to_read, "")]
        options.read.write_text("\n".join(lines), encoding="utf-8")
    out = options.out or (None if options.quick or options.only or options.seeds else PAGE)
    if out is not None:
        command = " ".join(["python -m benchmarks.signal", *_chosen(options)])
        out.write_text(page(measured, totals, command), encoding="utf-8")
        print(f"wrote {out.name}")
    print(orjson.dumps(summary(totals)).decode())


if __name__ == "__main__":
    main()
