"""What is wanted of each row, and whether it is met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.signal.figures import Figures
from benchmarks.signal.judge import Row
from benchmarks.signal.measure import Apart, Measured

_FOUND = (
    ("fast_bot", 0.95, "fast bot", "≥ 95 % within 60 events, high, the reason names the pace"),
    ("fast_bot_again", 0.95, "fast bot, second visit", "reported again"),
    ("crawler", 0.90, "regular crawler", "≥ 90 % within 10 minutes, by its regularity"),
    ("impulsive", 0.95, "impulsive visit", "≥ 95 % within 15 events"),
    ("erratic", 0.95, "erratic spending", "≥ 95 % by the fifth purchase"),
    ("tired", 1.0, "visit over 30 minutes", "100 % within a minute after it"),
    (
        "night",
        1.0,
        "night, zone known",
        "100 % in the risk level at the first event; an insight if rare or new",
    ),
    ("night_unknown", 1.0, "night, zone unknown", "never reported"),
    ("takeover", 0.80, "account taken over", "≥ 80 % by the third event"),
    ("more_visits", 0.9, "comes more than twice as often, for good", "≥ 90 % within ten days"),
    ("fewer_visits", 0.9, "comes a third as often, for good", "≥ 90 % within ten days"),
    ("slow_checkout", 1.0, "checkout slow for everybody", "one insight about all within 10 min"),
    ("purchases_lost", 1.0, "purchases not tracked", "one `tracking_broke` within 30 min"),
    ("property_lost", 1.0, "a property goes missing", "one `tracking_broke` within 30 min"),
    ("doubled_type", 1.0, "a type doubled by a second tag", "one `tracking_broke` within 30 min"),
)
_APART = (("sale_day", "sale day, 3 times the visits"), ("weekend", "weekend"), ("holiday", "public holiday"))


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table: what was planted, what is wanted, what was measured, and whether that is enough."""

    name: str
    planted: str
    wanted: str
    measured: str
    met: bool


@dataclass(slots=True)
class Total:
    """All tasks with one number of partitions."""

    rows: dict[str, Row] = field(default_factory=dict)
    apart: dict[str, Apart] = field(default_factory=dict)
    figures: dict[str, Figures] = field(default_factory=dict)
    changed: list[float] = field(default_factory=list)
    returns: int = 0
    broke: int = 0

    def every_figure(self) -> Figures:
        """Figures of all streams together."""
        every = Figures()
        for figures in self.figures.values():
            every.add(figures)
        return every


def total_of(measured: Iterable[Measured]) -> Total:
    """Add up tasks."""
    total = Total()
    for one in measured:
        for kind, row in one.rows.items():
            total.rows.setdefault(kind, Row()).add(row)
        for kind, apart in one.apart.items():
            total.apart.setdefault(kind, Apart()).add(apart)
        total.figures.setdefault(one.task.stream, Figures()).add(one.figures)
        if one.task.stream == "equal_weeks":
            total.changed.append(one.changed)
            total.returns += one.returns
        total.broke += one.broke
    return total


def goals_of(total: Total) -> list[Goal]:
    """The table, as far as something was measured."""
    return [*_found(total), *_days(total), *_rates(total)]


def _found(total: Total) -> Iterable[Goal]:
    for kind, least, planted, wanted in _FOUND:
        row = total.rows.get(kind)
        if row is None or not row.planted:
            continue
        held = f"; {row.held_back} of users in spite of it" if kind == "slow_checkout" else ""
        met = row.share >= least and not row.held_back
        yield Goal(kind, planted, wanted, f"{row.found} of {row.planted}{_soon(row)}{held}", met)


def _soon(row: Row) -> str:
    if not row.minutes:
        return ""
    levels = ", ".join(f"{count} {level}" for level, count in row.levels.most_common())
    return f"; {row.middle(row.events):.0f} events, {row.middle(row.minutes):.1f} min; {levels}"


def _days(total: Total) -> Iterable[Goal]:
    for kind, planted in _APART:
        apart = total.apart.get(kind)
        if apart is None:
            continue
        most, alerted = max(apart.about_all), max(apart.alerted)
        yield Goal(
            kind,
            planted,
            "one insight about all at most, ≤ 1 % of users alerted",
            f"{most} at most; {alerted:.2%}",
            most <= 1 and alerted <= 0.01,
        )
    if total.changed:
        most_changed = max(total.changed)
        yield Goal(
            "equal_weeks",
            "six equal weeks, office and Saturday",
            "change of behaviour for < 1 % of active users a day, none on the return",
            f"{most_changed:.2%}; {total.returns} on Mondays and Saturdays",
            most_changed < 0.01 and not total.returns,
        )


def _rates(total: Total) -> Iterable[Goal]:
    nothing, every = total.figures.get("nothing"), total.figures.get("everything")
    if nothing is not None:
        yield Goal(
            "nothing",
            "nothing",
            "medium or high for ≤ 0.5 % of active users a day",
            f"{nothing.alerted_share:.2%}",
            nothing.alerted_share <= 0.005,
        )
        yield Goal("broke", "nothing, in any stream", "no `tracking_broke`", str(total.broke), not total.broke)
    for name in ("demo", "rees46"):
        if (figures := total.figures.get(name)) is not None:
            rate = figures.per_1000_events
            yield Goal(f"rate_{name}", name, "≤ 20 insights per 1,000 events", f"{rate:.1f}", rate <= 20)
    if every is None:
        return
    precision, (_, commonest) = every.precision or 0.0, every.commonest
    yield Goal("precision", "all together", "precision of medium and high ≥ 0.8", f"{precision:.2f}", precision >= 0.8)
    yield Goal(
        "rate",
        "all together",
        "≤ 20 insights per 1,000 events",
        f"{every.per_1000_events:.1f}",
        every.per_1000_events <= 20,
    )
    yield Goal(
        "shape", "all together", "the same sentence for ≤ 10 % of insights", f"{commonest:.1%}", commonest <= 0.1
    )
    everything = total.every_figure()
    yield Goal(
        "claims",
        "everywhere",
        "every claim holds and is true of the events; no sentence has a number that no claim has",
        f"{everything.wrong_claims} don't hold; {everything.false_claims} of {everything.checked_claims} are false; "
        f"{everything.unclaimed} of {everything.insights} sentences say more",
        not everything.wrong_claims and not everything.false_claims and not everything.unclaimed,
    )


def met(goals: Sequence[Goal]) -> int:
    """How many are."""
    return sum(goal.met for goal in goals)
