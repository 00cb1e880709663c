"""How good forecasts and chosen recommendations are; writes ``benchmarks/advice.md``.

Run with ``python -m benchmarks.advice [--data DIR] [--out FILE]``. Card payments are public data; the users that
bandits advise are invented: only then is it known what another recommendation would have brought. Seeds are fixed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from time import process_time

from benchmarks.forecasts import Backtested, backtest, daily_sums
from ubi_stream.evaluate.datasets import DATA_DIR
from ubi_stream.models.bandit import POLICIES, ArmChooser
from ubi_stream.packs.models import ForecastModel

FILE = "card_transactions_2018-06-17_07-31.csv.gz"
ROUNDS = 2000
EXPLORE = 0.1
SEEDS = (1, 2, 3)
Chances = Callable[[float], dict[str, float]]

WORLDS: dict[str, Chances] = {
    "one arm is best for everybody": lambda x: {"call": 0.25, "write": 0.4, "wait": 0.2},
    "the best arm depends on the user": lambda x: {"call": 0.1 + 0.7 * x, "write": 0.4, "wait": 0.8 - 0.7 * x},
}
"""Chance that an arm is rewarded, by the user's one feature in [0, 1]."""


def regret(policy: str, world: Chances, seed: int) -> tuple[float, float, float]:
    """What a choice loses on average against the best one: of the policy, of chance; and the policy's µs a choice."""
    draw = Random(seed)
    first = world(0.0)
    chooser = ArmChooser(policy, tuple(first), explore=EXPLORE)
    lost = chance = spent = 0.0
    for number in range(ROUNDS):
        x = draw.random()
        chances = world(x)
        start = process_time()
        choice = chooser.choose({"x": x}, seed=f"{seed}-{number}")
        chooser.learn(choice.arm, {"x": x}, float(draw.random() < chances[choice.arm]))
        spent += process_time() - start
        best = max(chances.values())
        lost += best - chances[choice.arm]
        chance += best - sum(chances.values()) / len(chances)
    return lost / ROUNDS, chance / ROUNDS, 1e6 * spent / ROUNDS


def bandits() -> list[str]:
    """A table for each world."""
    rows = []
    for name, world in WORLDS.items():
        for policy in POLICIES:
            runs = [regret(policy, world, seed) for seed in SEEDS]
            lost, chance, price = (sum(values) / len(runs) for values in zip(*runs, strict=True))
            worst = max(run[0] for run in runs)
            rows.append((name, policy, f"{lost:.4f}", f"{worst:.4f}", f"{chance:.4f}", f"{price:.0f}"))
    return _table(("world", "policy", "regret a choice", "worst seed", "by chance", "µs"), rows)


def forecasts(folder: Path) -> list[str]:
    """Errors and intervals on card payments."""
    found = {
        target: backtest(
            daily_sums(folder / FILE, user="customer_id", time="ts", amount=column), ForecastModel(target=target)
        )
        for target, column in (("amount", "amount"), ("events", None))
    }
    head = ("figure", *(f"{target} a day" for target in found))
    return _table(head, [(words, *(show(one) for one in found.values())) for words, show in _FIGURES])


_FIGURES: tuple[tuple[str, Callable[[Backtested], str]], ...] = (
    ("customers, origins, too few days", lambda b: f"{b.users:,}, {b.origins:,}, {b.abstained:,}"),
    ("mean absolute error of a day, 1 to 7 days ahead", lambda b: f"{b.day:.3g}"),
    ("the same as the last day", lambda b: f"{b.day_naive:.3g}"),
    ("the same as the weekday before", lambda b: f"{b.day_weekday:.3g}"),
    ("mean absolute error of the week's total", lambda b: f"{b.total:.4g}"),
    ("the same as the last week", lambda b: f"{b.total_naive:.4g}"),
    ("days within the interval (80 % asked for)", lambda b: f"{b.day_within:.1%}"),
    ("totals within the interval (80 % asked for)", lambda b: f"{b.total_within:.1%}"),
    ("told, at `min_change` = 0.25", lambda b: f"{b.told:.1%}"),
    ("told ones that came nearer than the last week", lambda b: f"{b.told_nearer:.1%}"),
)

_HEAD = """# Forecasts and chosen recommendations

Written by `python -m benchmarks.advice`; do not edit.

## Forecasts: card payments, 45 days

Each customer's next seven days from the 29 before, at days 29 and 36. The data are a simulator's, in which a customer's
days are nearly independent: little can be known but the level, and no forecast is much better than the customer's mean.
"""

_BANDITS = """
## Bandits: invented users

{rounds:,} choices among three recommendations in each of {seeds} runs, {explore:.0%} of them at random. Regret is what
a choice loses against the best one, in chance of a reward; the random share alone costs a tenth of what chance does. µs
is the price of a choice and of learning its reward, on the machine that wrote this page. Only `LinUCBDisjoint` looks at
the user.
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description="Forecasts and bandits.")
    parser.add_argument("--data", type=Path, default=DATA_DIR, help="folder of the public files")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args(arguments)
    about = _BANDITS.format(rounds=ROUNDS, seeds=len(SEEDS), explore=EXPLORE)
    page = "\n".join((_HEAD, *forecasts(options.data), about, *bandits(), ""))
    options.out.write_text(page, encoding="utf-8")
    print(f"wrote {options.out.name}")


if __name__ == "__main__":
    main()
