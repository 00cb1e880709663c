"""How an entity spends."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.fold import SLOW_ALPHA
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, amount_of, count_of

_ENOUGH = 3
"""Values below which a spread says nothing."""


@family(
    Described(
        "amount_24h",
        title="money spent in 24 hours",
        unit="money",
        high=20_000,
        scale="log",
        meaning="Money spent in the last 24 hours",
    ),
    Described(
        "amount_30d",
        title="money spent in 30 days",
        unit="money",
        high=100_000,
        scale="log",
        meaning="Money spent in the last 30 days",
    ),
    Described(
        "mean_amount_30d",
        title="mean amount of 30 days",
        unit="money",
        high=10_000,
        scale="log",
        meaning="Mean amount of the last 30 days",
    ),
    windows="paned",
)
def windows(state: UserState, _at_ms: int, plan: Plan) -> tuple[float, ...]:
    """Money of the last day and month."""
    month = state.days.total
    amount = amount_of(month)
    bought = count_of(month, plan.amount_types)
    return amount_of(state.hours.total), amount, amount / bought if bought else MISSING


@family(
    Described(
        "last_amount",
        title="newest amount",
        unit="money",
        high=10_000,
        scale="log",
        meaning="Newest amount that counts as spent",
        has_usual=True,
    ),
    Described(
        "spending_volatility",
        title="spread of amounts",
        unit="money",
        high=5000,
        scale="log",
        meaning="Standard deviation of the amounts spent, the newest included, from 3 on; newer ones weigh more",
    ),
    Described(
        "amount_ratio",
        title="newest amount by the usual one",
        unit="ratio",
        high=100,
        scale="log",
        meaning="Newest amount by the mean of the user's amounts before it, from 3 on",
    ),
    Described(
        "days_since_conversion",
        title="days since the newest conversion",
        unit="days",
        notable="never",
        high=90,
        meaning="Days since the newest event of the last step of the funnel",
    ),
)
def amounts(state: UserState, at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """The newest purchase, and what the others were like."""
    usual = state.amount
    return (
        MISSING if state.newest_amount is None else state.newest_amount,
        _spread(usual, state.last_amount) if usual and usual.n + 1 >= _ENOUGH else MISSING,
        max(0.0, state.last_amount / usual.mean) if usual and usual.n >= _ENOUGH and usual.mean > 0 else MISSING,
        max(0.0, (at_ms - state.last_conversion_ms) / DAY_MS) if state.conversions else MISSING,
        usual.mean if usual else MISSING,
    )


def _spread(before: Baseline, newest: float) -> float:
    """Standard deviation with the newest amount, which the baseline takes in only when the next one comes."""
    whole = Baseline(before.n, before.mean, before.variance)
    whole.add(newest, SLOW_ALPHA)
    return whole.deviation
