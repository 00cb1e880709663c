"""Windows of an exact log, to the millisecond: for entities with few events, such as cards and terminals.

The windows end `delay_days` before the event, and are open at their start: t - delay - width < time <= t - delay.
The set is that of Le Borgne, Siblini, Lebichot, Bontempi: Reproducible machine learning for credit card fraud
detection, 2022, section 3.3.
"""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, Extractor, feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.log import window
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS


def _register(days: int) -> None:
    width_ms = days * DAY_MS

    def count(state: UserState, at_ms: int, plan: Plan) -> float:
        return float(window(state, at_ms - plan.delay_ms, width_ms).events)

    def mean_amount(state: UserState, at_ms: int, plan: Plan) -> float:
        found = window(state, at_ms - plan.delay_ms, width_ms)
        return found.amount / found.events if found.events else MISSING

    def bad_share(state: UserState, at_ms: int, plan: Plan) -> float:
        found = window(state, at_ms - plan.delay_ms, width_ms)
        return found.bad / found.events if found.events else 0.0

    for name, unit, high, title, extract in (
        ("count", "events", 1000.0, "events", count),
        ("mean_amount", "money", 10_000.0, "mean amount", mean_amount),
        ("bad_share", "share", 1.0, "share of events that a label called bad", bad_share),
    ):
        _feature(f"exact_{name}_{days}d", unit, high, f"{title} in a window of {days} days", extract)


def _feature(name: str, unit: str, high: float, title: str, extract: Extractor) -> None:
    register = feature(
        name,
        unit=unit,
        high=high,
        meaning=title.capitalize(),
        scale="linear" if high == 1 else "log",
        windows="exact",
        title=title,
    )
    register(extract)


for _days in (1, 7, 30):
    _register(_days)
