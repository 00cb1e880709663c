"""The page about a run, and its figures for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.signal.figures import Figures
from benchmarks.signal.goals import Goal, Total, goals_of, met
from benchmarks.signal.measure import Measured

_HEAD = """# Is it worth reading?

Written by `{command}`; do not edit.

Known things are planted into invented streams of a shop, and the product (shipped pack, default settings) runs on them.
The generators know nothing of the pack's thresholds. Seeds {seeds}; {events:,} events in {streams} streams.
Found means: about that user (or about all), for the right reason, loud enough and in time.
"""
_EXAMPLES = 3


def page(measured: Sequence[Measured], by_partitions: dict[str, Total], command: str) -> str:
    """The page in Markdown."""
    seeds = sorted({one.task.seed for one in measured if one.task.seed})
    events = sum(one.figures.events for one in measured)
    head = _HEAD.format(command=command, seeds=", ".join(map(str, seeds)), events=events, streams=len(measured))
    lines = [head]
    for partitions, total in by_partitions.items():
        lines += [f"## Planted and found, {partitions}", "", *goals_table(goals_of(total)), ""]
    total = next(iter(by_partitions.values()))
    lines += ["## How much, how loud", "", *_figures_table(total), "", *_distributions(total), ""]
    lines += ["## Sentences", "", *_sentences(total)]
    lines += ["## What was not found, or too late", "", *_misses(total), ""]
    lines += ["## Medium and high about nothing planted", "", *_noise(total), ""]
    lines += ["## Claims that are not so, and sentences that say more than their claims", "", *_broken(total), ""]
    lines += ["## Streams", "", *_streams(measured), ""]
    return "\n".join(lines)


def summary(by_partitions: dict[str, Total]) -> dict[str, Any]:
    """The same for programs."""
    return {
        name: {
            "met": met(goals_of(total)),
            "goals": len(goals_of(total)),
            "rows": {goal.name: {"met": goal.met, "measured": goal.measured} for goal in goals_of(total)},
        }
        for name, total in by_partitions.items()
    }


def goals_table(goals: Iterable[Goal]) -> list[str]:
    """What was planted, wanted, measured."""
    rows = ((goal.planted, goal.wanted, goal.measured, "yes" if goal.met else "**no**") for goal in goals)
    return table(("planted", "wanted", "measured (found; medians; severity)", "met"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _figures_table(total: Total) -> list[str]:
    head = (
        "stream", "events", "insights per 1,000 events", "medium, high per 1,000 active users a day", "precision",
        "commonest sentence", "commonest confidence",
    )  # fmt: skip
    return table(head, ((name, *_cells(figures)) for name, figures in total.figures.items()))


def _cells(figures: Figures) -> Iterator[str]:
    yield f"{figures.events:,}"
    yield f"{figures.per_1000_events:.1f}"
    yield f"{1000 * figures.alerted_share:.1f}"
    yield "" if figures.precision is None else f"{figures.precision:.2f}"
    yield f"{figures.commonest[1]:.1%}"
    yield f"{figures.commonest_confidence:.1%}"


def _distributions(total: Total) -> Iterator[str]:
    every = total.every_figure()
    yield f"- Kinds: {_shares(every.kinds)}."
    yield f"- Severities: {_shares(every.levels)}."
    given = Counter({value: count for value, count in every.confidences.items() if value is not None})
    yield f"- Confidence: {given.total()} of {every.insights} insights have one; {spread(given)}."
    for shape, count in every.shapes.most_common(5):
        yield f"- {count / max(1, every.insights):.1%}: {shape}"


def spread(values: Counter[float]) -> str:
    """Quantiles of counted values."""
    if not values:
        return "none"
    ordered = sorted(values.elements())
    quantiles = (ordered[round(share * (len(ordered) - 1))] for share in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0))
    return "least, 10 %, 25 %, 50 %, 75 %, 90 %, most: " + ", ".join(f"{value:.3g}" for value in quantiles)


def _shares(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def _sentences(total: Total) -> Iterator[str]:
    for kind, row in total.rows.items():
        yield f"**{kind}** ({row.insights} insights about {row.planted} planted)"
        yield ""
        yield from (f"- {sentence}" for sentence in list(dict.fromkeys(row.sentences))[:_EXAMPLES])
        yield ""


def _misses(total: Total) -> Iterator[str]:
    for kind, row in total.rows.items():
        if row.misses:
            yield f"- {kind}: {'; '.join(row.misses[:6])}{' …' if len(row.misses) > 6 else ''}"


def _noise(total: Total) -> Iterator[str]:
    for name, figures in total.figures.items():
        if not figures.noise:
            continue
        yield f"- {name}: {len(figures.noise)} ({_shares(figures.noise_labels)})"
        yield from (f"  - {sentence}" for sentence in _some(figures.noise, _EXAMPLES))


def _broken(total: Total) -> Iterator[str]:
    for name, figures in total.figures.items():
        sentences = list(dict.fromkeys(figures.broken_sentences))
        yield from (f"- {name}: {sentence}" for sentence in _some(sentences, 2 * _EXAMPLES))


def _some(sentences: Sequence[str], count: int) -> Sequence[str]:
    """So many, spread over all."""
    step = max(1, len(sentences) // count)
    return sentences[::step][:count]


def _streams(measured: Sequence[Measured]) -> list[str]:
    rows = (
        (
            one.task.stream,
            str(one.task.seed),
            str(one.task.partitions or "default"),
            str(one.days),
            f"{one.figures.events:,}",
            f"{one.figures.user_days:,}",
            f"{one.seconds:.0f}",
        )
        for one in measured
    )
    return table(("stream", "seed", "partitions", "days", "events", "user days", "seconds"), rows)
