"""How well drift is told: five days of a shop with nights and a weekend, with and without a change; ``drift.md``.

Run with ``python -m benchmarks.drift [--users N] [--rate R] [--seeds 1,2,3] [--out FILE]``. The users are invented, and
the pipeline runs over them; each change begins with a copy of the worker that came through the days before.
"""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.ids import uniform_hash
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.models import DriftModel
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
START_MS: Final = round(datetime(2026, 5, 1, tzinfo=UTC).timestamp() * 1000)
"""A Friday: the weekend is days 2 and 3."""
DAYS: Final = 5
PARTITIONS: Final = (1, 4)
"""One sees all users; of several, each sees its own, and incidents take longer to show."""
CHANGE_MS: Final = START_MS + 3 * DAY_MS + 10 * HOUR_MS
"""Monday at ten: a release, or a morning on which users are others."""
_WEEKEND: Final = 1.3
"""Visits of a Saturday or a Sunday, against another day."""
_NIGHT: Final = 0.25
"""Visits at the quietest hour, against the busiest."""

Event = dict[str, Any]
Change = Callable[[Event], Sequence[Event]]
"""What is sent instead of an event after the change."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens from `CHANGE_MS` on, and what should be told.

    `verdict` and `subjects` (kind and name of a figure) are None and empty where nothing should be.
    """

    name: str
    change: Change
    verdict: str | None = None
    subjects: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told of one stream.

    Attributes
    ----------
    found
        The first insight after the change that names a subject of the scenario; None if there is none.
    events
        From the change to `found`.
    others
        The others after the change.
    """

    found: Insight | None
    events: int
    others: list[Insight]


def _half_the_purchases(event: Event) -> Sequence[Event]:
    gone = event["event_type"] == "purchase" and uniform_hash(event["event_id"]) < 0.5
    return () if gone else (event,)


def _no(event_type: str) -> Change:
    return lambda event: () if event["event_type"] == event_type else (event,)


def _twice(event_type: str) -> Change:
    def change(event: Event) -> Sequence[Event]:
        if event["event_type"] != event_type:
            return (event,)
        again = {"event_id": f"{event['event_id']}/2", "event_time": event["event_time"] + 200}
        return event, event | again

    return change


def _without(name: str) -> Change:
    def change(event: Event) -> Sequence[Event]:
        properties = event["properties"]
        return (event | {"properties": properties | {name: None}} if name in properties else event,)

    return change


def _three_times_the_wait(event: Event) -> Sequence[Event]:
    properties = event["properties"]
    wait = properties.get("latency_ms")
    return (event if wait is None else event | {"properties": properties | {"latency_ms": 3 * wait}},)


_PURCHASES: Final = ("type", "purchase")
SCENARIOS: Final = (
    Scenario("nothing", lambda event: (event,)),
    Scenario("half of the purchases are not made", _half_the_purchases, "users_changed", (_PURCHASES,)),
    Scenario(
        "the checkout takes three times as long",
        _three_times_the_wait,
        "users_changed",
        (("feature", "rolling_latency_ms"), ("feature", "latency_z")),
    ),
    Scenario("`cart` is no longer sent", _no("cart"), "tracking_broke", (("type", "cart"),)),
    Scenario("`purchase` is no longer sent", _no("purchase"), "tracking_broke", (_PURCHASES,)),
    Scenario("`view` is sent twice", _twice("view"), "tracking_broke", (("repeat", "view"),)),
    Scenario("`purchase` is sent twice", _twice("purchase"), "tracking_broke", (("repeat", "purchase"),)),
    Scenario("`category` is null", _without("category"), "tracking_broke", (("missing", "category"),)),
    Scenario("`price` is null", _without("price"), "tracking_broke", (("missing", "price"),)),
)


def busy(at_ms: int) -> float:
    """Share of the visits that come at a time: few at four in the morning, most at four in the afternoon.

    At a weekend there are more of them, two hours later.
    """
    since_ms = at_ms - START_MS
    at_weekend = since_ms // DAY_MS % 7 in (1, 2)
    hour = since_ms % DAY_MS / HOUR_MS - (2 if at_weekend else 0)
    level = _NIGHT + (1 - _NIGHT) * (0.5 - 0.5 * math.cos(math.tau * (hour - 4) / 24))
    return level if at_weekend else level / _WEEKEND


def traffic(options: TrafficOptions) -> Iterator[Event]:
    """Five days of events: visits thinned to their hour's share."""
    comes: dict[str, bool] = {}
    for event in Traffic(options).events():
        at_ms, visit = event["event_time"], event["session_id"]
        if at_ms >= START_MS + DAYS * DAY_MS:
            return
        if visit not in comes:
            comes[visit] = uniform_hash(visit) < busy(at_ms)
        if comes[visit]:
            yield event


@dataclass(frozen=True, slots=True)
class Played:
    """A stream up to the change, as far as a worker with one partition has come with it; and what comes then."""

    worker: OfflineRun
    events: int
    told: list[Insight]
    rest: list[Event]


def play(options: TrafficOptions, *, block: int = 500, partitions: int = 1) -> Played:
    """Take the events before the change through a pipeline without models; `block` is in events."""
    pack = load_pack("ecommerce")
    without = {"anomaly": None, "candidates": (), "forecast": None}
    models = pack.models.model_copy(update={**without, "drift": DriftModel(block=block)})
    pack = pack.model_copy(update={"models": models, "outcomes": ()})
    worker = OfflineRun(pack, Settings(partitions=partitions), now_ms=START_MS + DAYS * DAY_MS)
    events = traffic(options)
    rest: list[Event] = []
    n = 0

    def before() -> Iterator[Event]:
        nonlocal n
        for event in events:
            if event["event_time"] >= CHANGE_MS:
                rest.append(event)
                return
            n += 1
            yield event

    told = [insight for _, insight in _drifts(worker, before())]
    return Played(worker, n, told, [*rest, *events])


def go_on(played: Played, scenario: Scenario) -> Outcome:
    """Take what comes after the change through a copy of the worker, as the scenario changes it."""
    found: Insight | None = None
    n = 0
    others: list[Insight] = []
    changed = (after for event in played.rest for after in scenario.change(event))
    for n_so_far, insight in _drifts(copy.deepcopy(played.worker), changed):
        if found is None and (insight.evidence["subject"], insight.evidence["name"]) in scenario.subjects:
            found, n = insight, n_so_far
        else:
            others.append(insight)
    return Outcome(found, n, others)


def _drifts(worker: OfflineRun, events: Iterable[Event]) -> Iterator[tuple[int, Insight]]:
    """Insights of kind drift, each with the number of events until it was told, to a batch."""
    n = 0

    def records() -> Iterator[ProducerRecord]:
        nonlocal n
        for event in events:
            n += 1
            yield record_of(event, event["event_time"])

    for effects in worker.run(records()):
        yield from ((n, insight) for insight in effects.insights if insight.kind is InsightKind.DRIFT)


def report(options: TrafficOptions, seeds: Sequence[int]) -> str:
    """Return the whole page."""
    parts: list[str] = []
    events: list[int] = []
    hour, purchases = _hour_before(options, seeds)
    for partitions in PARTITIONS:
        outcomes: dict[str, list[Outcome]] = {scenario.name: [] for scenario in SCENARIOS}
        false_alarms: list[str] = []
        for seed in seeds:
            played = play(structs.replace(options, seed=seed), partitions=partitions)
            events.append(played.events + len(played.rest))
            false_alarms += [f"{_subject(told)} (seed {seed})" for told in played.told]
            for scenario in SCENARIOS:
                outcomes[scenario.name].append(go_on(played, scenario))
        rows = [_row(scenario, outcomes[scenario.name]) for scenario in SCENARIOS]
        columns = ("from Monday, 10:00", "told", "as", "after hours", "after events", "besides")
        parts += [
            _PART.format(count=partitions, alarms=", ".join(false_alarms) or "none"),
            *(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)),
            "",
        ]
    of_events = f"{min(events):,} to {max(events):,}"
    head = _HEAD.format(
        users=options.users,
        rate=options.rate,
        seeds=",".join(map(str, seeds)),
        events=of_events,
        hour=hour,
        purchases=purchases,
    )
    return "\n".join((head, *parts))


def _hour_before(options: TrafficOptions, seeds: Sequence[int]) -> tuple[str, str]:
    """Events and purchases in the hour before the change, from the fewest of a stream to the most."""
    counts: list[tuple[int, int]] = []
    for seed in seeds:
        types = [
            event["event_type"]
            for event in traffic(structs.replace(options, seed=seed))
            if CHANGE_MS - HOUR_MS <= event["event_time"] < CHANGE_MS
        ]
        counts.append((len(types), types.count("purchase")))
    events, purchases = (f"{min(of)} to {max(of)}" for of in zip(*counts, strict=True))
    return events, purchases


def _row(scenario: Scenario, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """A scenario over all seeds; what is told besides is its consequence, or a false alarm where nothing happened."""
    found = [(outcome.found, outcome.events) for outcome in outcomes if outcome.found is not None]
    labels = sorted({str(told.label) for told, _ in found})
    besides = sorted({_subject(told) for outcome in outcomes for told in outcome.others})
    return (
        scenario.name,
        f"{len(found)} of {len(outcomes)}" if scenario.subjects else "-",
        ", ".join(labels) or "-",
        ", ".join(f"{(told.at_ms - CHANGE_MS) / HOUR_MS:.1f}" for told, _ in found) or "-",
        ", ".join(f"{n:,}" for _, n in found) or "-",
        ", ".join(besides) or "none",
    )


def _subject(told: Insight) -> str:
    return f"{told.evidence['subject']} `{told.evidence['name']}`"


_HEAD = """# Drift

Written by `python -m benchmarks.drift --users {users} --rate {rate:g} --seeds {seeds}`; do not edit.

Five days of an invented shop, Friday to Tuesday, with {users:,} users: {events} events in a stream. At 4
in the morning a quarter as many visits begin as at 4 in the afternoon; at the weekend there are 1.3 times as many,
two hours later. Some users are bots, which now and then view hundreds of products at machine pace. The pack is
`ecommerce` without its predicting and anomaly models, blocks of 500 events. In the hour before the change {hour} events
come, {purchases} of them purchases. "After events" counts those of all partitions; the first partition that sees a
change tells it.
"""

_PART = """## Partitions: {count}

Told before anything happened, in the first three and a half days: {alarms}.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description="Drift on five days of a shop.")
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--rate", type=float, default=0.25, help="events a second at the busiest hour of the weekend")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args(arguments)
    traffic_options = TrafficOptions(users=options.users, rate=options.rate, start_ms=START_MS)
    page = report(traffic_options, [int(seed) for seed in options.seeds.split(",")])
    options.out.write_text(page, encoding="utf-8")
    print(f"wrote {options.out.name}")


if __name__ == "__main__":
    main()
