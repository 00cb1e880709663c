"""How an entity spends."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, amount_of, count_of

_ENOUGH = 3
"""Values below which a spread says nothing."""


def _usual_amount(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.amount.mean if state.amount.n else MISSING


@feature(
    "amount_24h",
    title="money spent in 24 hours",
    unit="money",
    high=20_000,
    scale="log",
    meaning="Money spent in the last 24 hours",
    windows="paned",
)
def amount_24h(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return amount_of(state.hours.total)


@feature(
    "amount_30d",
    title="money spent in 30 days",
    unit="money",
    high=100_000,
    scale="log",
    meaning="Money spent in the last 30 days",
    windows="paned",
)
def amount_30d(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return amount_of(state.days.total)


@feature(
    "mean_amount_30d",
    title="mean amount of 30 days",
    unit="money",
    high=10_000,
    scale="log",
    meaning="Mean amount of the last 30 days",
    windows="paned",
)
def mean_amount_30d(state: UserState, _at_ms: int, plan: Plan) -> float:
    bought = count_of(state.days.total, tuple(plan.amount_types))
    return amount_of(state.days.total) / bought if bought else MISSING


@feature(
    "last_amount",
    title="newest amount",
    unit="money",
    high=10_000,
    scale="log",
    meaning="Amount of the newest purchase",
    usual=_usual_amount,
)
def last_amount(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.last_amount if state.last_amount >= 0 else MISSING


@feature(
    "spending_volatility",
    title="spread of amounts",
    unit="money",
    high=5000,
    scale="log",
    meaning="Standard deviation of the amounts spent, newer ones weigh more",
)
def spending_volatility(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.amount.deviation if state.amount.n >= _ENOUGH else MISSING


@feature(
    "days_since_conversion",
    title="days since the newest purchase",
    unit="days",
    high=90,
    meaning="Days since the newest purchase",
)
def days_since_conversion(state: UserState, at_ms: int, _plan: Plan) -> float:
    return max(0.0, (at_ms - state.last_conversion_ms) / DAY_MS) if state.conversions else MISSING
