"""The results as JSON, as a Markdown table, and as a picture."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.race.backpressure import Pressed
from benchmarks.race.contest import ALL, BARE_LOOP, BYTEWAX, PRODUCT, QUIX, STOCK_FAUST, Contestant
from benchmarks.race.latency import Latency
from benchmarks.race.scaling import Scaled
from benchmarks.race.stages import ALONE, CHUNKED
from benchmarks.race.states import Restored


@dataclass(frozen=True, slots=True)
class Heat:
    """One contestant's run over one input; figures are NaN where it failed, and `note` says why.

    Attributes
    ----------
    lost
        Events that were on the topic and never went through.
    restart_s
        From its second start to its first new event, with all state of the first run.
    """

    contestant: str
    input: str
    round: int
    events: int
    events_per_s: float = math.nan
    cpu_s_per_million: float = math.nan
    peak_mb: float = math.nan
    start_up_s: float = math.nan
    restart_s: float = math.nan
    lost: int = 0
    note: str = ""


@dataclass(slots=True)
class Results:
    """All that was measured."""

    heats: list[Heat] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    latency: list[Latency] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)
    scaled: list[Scaled] = field(default_factory=list)
    pressed: list[Pressed] = field(default_factory=list)
    machine: str = field(default_factory=lambda: f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}")

    def of(self, contestant: Contestant, input_name: str = "shop") -> list[Heat]:
        """Runs of a contestant over an input that did not fail."""
        return [
            heat
            for heat in self.heats
            if heat.contestant == contestant.key and heat.input == input_name and not math.isnan(heat.events_per_s)
        ]

    def besides_core_us(self, contestant: Contestant, input_name: str = "shop") -> float:
        """Processor time of an event that is not the core's, in µs: reading, state, writing, the framework."""
        core = self.stages.get(CHUNKED if contestant.chunked else ALONE, {}).get("all", math.nan)
        return _median([heat.cpu_s_per_million for heat in self.of(contestant, input_name)]) - core

    def if_chunked(self, other: Contestant, input_name: str = "shop") -> float:
        """Processor time of another's event by ours, were its core as cheap as it is in chunks."""
        core = self.stages.get(CHUNKED, {}).get("all", math.nan)
        return (self.besides_core_us(other, input_name) + core) / (self.besides_core_us(PRODUCT, input_name) + core)

    def ratios(self, other: Contestant, input_name: str = "shop") -> list[float]:
        """How many times as many events a second as another's, by round: both ran one after the other."""
        theirs = {heat.round: heat.events_per_s for heat in self.of(other, input_name)}
        return [h.events_per_s / theirs[h.round] for h in self.of(PRODUCT, input_name) if theirs.get(h.round)]


def summary(results: Results) -> dict[str, float | None]:
    """The figures that a run is judged by; None where there is none."""

    def against(other: Contestant) -> float | None:
        return _rounded(_median(results.ratios(other)), 2)

    at_5000 = [one.insight.p95 for one in results.latency if (one.per_s, one.processes) == (5_000, 1)]
    return {
        "events_per_second": _rounded(_median([heat.events_per_s for heat in results.of(PRODUCT)]), 0),
        "vs_stock_faust": against(STOCK_FAUST),
        "vs_quix": against(QUIX),
        "vs_bytewax": against(BYTEWAX),
        "vs_bare_loop": against(BARE_LOOP),
        "p95_event_to_insight_ms": _rounded(_median(at_5000), 1),
    }


def as_markdown(results: Results) -> str:
    """Tables of all that was measured."""
    parts = [f"Machine: {results.machine}.\n"]
    parts += [_race(results, name) for name in dict.fromkeys(heat.input for heat in results.heats)]
    if results.stages:
        parts.append(_stages(results.stages))
    if results.latency:
        parts.append(_latency(results.latency))
    if results.restored:
        parts.append(_restored(results.restored))
    if results.scaled:
        parts.append(_scaled(results.scaled))
    if results.pressed:
        parts.append(_pressed(results.pressed))
    return "\n".join(parts)


def write(results: Results, folder: Path) -> None:
    """Write `race.json`, `race.md` and `race.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"summary": summary(results), **asdict(results)}
    (folder / "race.json").write_text(json.dumps(_finite(content), indent=1) + "\n", encoding="utf-8")
    (folder / "race.md").write_text(as_markdown(results), encoding="utf-8")
    if results.of(PRODUCT):
        _draw(results, folder / "race.png")


def _race(results: Results, name: str) -> str:
    rows = []
    for contestant in ALL:
        heats = results.of(contestant, name)
        failed = [h for h in results.heats if h.contestant == contestant.key and h.input == name and h.note]
        if not heats:
            rows += [[contestant.name, *["-"] * 9, failed[0].note]] if failed else []
            continue
        ratios = results.ratios(contestant, name)
        rows.append(
            [
                contestant.name,
                f"{heats[0].events:,}",
                _spread([heat.events_per_s for heat in heats], ",.0f"),
                "-" if contestant is PRODUCT else _spread(ratios, ".2f"),
                _spread([heat.cpu_s_per_million for heat in heats], ".0f"),
                _number(results.besides_core_us(contestant, name) if name == "shop" else math.nan, ".0f"),
                "-"
                if contestant is PRODUCT or name != "shop"
                else _number(results.if_chunked(contestant, name), ".2f"),
                _spread([heat.peak_mb for heat in heats], ".0f"),
                _spread([heat.start_up_s for heat in heats], ".1f"),
                _spread([heat.restart_s for heat in heats if not math.isnan(heat.restart_s)], ".1f"),
                "; ".join(dict.fromkeys(heat.note for heat in failed)) or "-",
            ]
        )
    heads = [
        "",
        "events",
        "events/s",
        "ubi-stream / it",
        "CPU s/million",
        "of that not core",
        "by ours, were its core chunked",
        "peak MiB",
        "start s",
        "restart s",
        "note",
    ]
    return f"Input: {name}.\n\n{_table(heads, rows)}"


def _stages(stages: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(stages.values())))
    rows = [[name, *(f"{by_stage[name]:.1f}" for by_stage in stages.values())] for name in names]
    return "The core alone, processor time in µs an event:\n\n" + _table(["stage", *stages], rows)


def _latency(measured: Sequence[Latency]) -> str:
    rows = [
        [
            f"{one.per_s:,}",
            f"{one.processes}",
            *(f"{q.p50:.0f} / {q.p95:.0f} / {q.p99:.0f}" for q in (one.insight, one.row, one.api)),
            f"{one.cores:.2f}",
            f"{one.behind:,}",
        ]
        for one in measured
    ]
    heads = ["events/s offered", "processes", "to the insight, ms", "to the row, ms", "API, ms", "cores of the worker"]
    heads.append("behind at the end")
    return "p50 / p95 / p99 under an offered load:\n\n" + _table(heads, rows)


def _restored(measured: Sequence[Restored]) -> str:
    rows = [
        [
            f"{one.users:,}",
            one.store,
            f"{one.state_bytes:.0f}",
            f"{one.restore_s:.1f}",
            f"{one.again_s:.1f}",
            f"{one.ready_s:.1f} ({one.empty_ready_s:.1f})",
            f"{one.bytes_per_user:,.0f}",
            f"{one.events_per_s:,.0f}",
            f"{one.cpu_s_per_million:.0f}",
        ]
        for one in measured
    ]
    heads = ["users", "store", "bytes of a state", "restore s", "second restore s", "start to ready s (without users)"]
    heads += ["memory a user, bytes", "then events/s", "CPU s/million"]
    return "A worker that starts with so many users, and then gets events of theirs:\n\n" + _table(heads, rows)


def _scaled(measured: Sequence[Scaled]) -> str:
    alone = {one.partitions: one.cpu_s_per_million for one in measured if one.workers == 1}
    rows = []
    for one in measured:
        normalised = one.workers * alone.get(one.partitions, math.nan) / one.cpu_s_per_million
        rows.append(
            [
                f"{one.workers}",
                f"{one.partitions}",
                f"{one.events_per_s:,.0f}",
                f"{one.cpu_s_per_million:.0f}",
                f"{normalised:.2f}",
                f"{one.peak_mb:.0f}",
            ]
        )
    heads = ["workers", "partitions", "events/s", "CPU s/million", "as one worker, on free cores", "peak MiB of all"]
    return "Workers that share the topic:\n\n" + _table(heads, rows)


def _pressed(measured: Sequence[Pressed]) -> str:
    rows = [[one.what, f"{one.events_per_s:,.0f}", f"{one.early_mb:.0f}", f"{one.peak_mb:.0f}"] for one in measured]
    return "Slow servers, with a backlog:\n\n" + _table(["", "events/s", "MiB after a fifth", "peak MiB"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(heads), ["---", *["---:"] * (len(heads) - 1)], *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _spread(values: Sequence[float], form: str) -> str:
    """Median, and from where to where."""
    if not values:
        return "-"
    middle = format(_median(values), form)
    return middle if len(values) == 1 else f"{middle} ({min(values):{form}}–{max(values):{form}})"  # noqa: RUF001 - a range has an en dash


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits) if digits else round(value)


def _finite(value: Any) -> Any:
    """The same without NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _draw(results: Results, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - half a second, and only here
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    mpl.use("Agg")
    rates: dict[str, list[float]] = defaultdict(list)
    for contestant in ALL:
        for heat in results.of(contestant):
            rates[contestant.name].append(heat.events_per_s)
    names, local = list(rates)[::-1], {one.name for one in ALL if one.is_product}
    figure, axes = plt.subplots(figsize=(8, 0.6 * len(names) + 1.2), layout="constrained")
    middles = [_median(rates[name]) for name in names]
    errors = [[m - min(rates[n]) for n, m in zip(names, middles, strict=True)],
              [max(rates[n]) - m for n, m in zip(names, middles, strict=True)]]  # fmt: skip
    bars = axes.barh(names, middles, xerr=errors, color=["#0b6e4f" if name in local else "#777777" for name in names])
    axes.bar_label(bars, [f"{middle:,.0f}" for middle in middles], padding=6)
    axes.set_xlabel(f"events a second, the whole pack ({results.machine})")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    figure.savefig(path, dpi=130)
    plt.close(figure)
