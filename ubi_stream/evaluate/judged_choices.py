"""`ubi evaluate --bandit`: what ways of choosing would have brought, from a log of choices."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer
from rich.table import Table

from ubi_stream.terminal.console import stdout

if TYPE_CHECKING:
    from ubi_stream.evaluate.bandits import Estimate, Judgement


def judge_choices(file: Path, policy: str | None, segment: str | None, *, as_json: bool) -> None:
    """Judge one policy, or all there are, by a log of choices; print estimates with their intervals."""
    from ubi_stream.evaluate.bandits import judge, read_choices  # noqa: PLC0415 - loads River
    from ubi_stream.models.bandit import POLICIES  # noqa: PLC0415 - as above

    log = read_choices(file, segment)
    found = {name: judge(log, name) for name in ((policy,) if policy else POLICIES)}
    if as_json:
        typer.echo(msgspec.json.encode({name: asdict(judged) for name, judged in found.items()}))
        return
    table = Table("choosing by", "mean reward", "95 % interval", "rows", box=None, pad_edge=False, header_style="bold")
    for name, estimate in _lines(found):
        table.add_row(name, f"{estimate.value:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}", f"{estimate.n:,}")
    stdout().print(table)


def _lines(found: dict[str, Judgement]) -> list[tuple[str, Estimate]]:
    first = next(iter(found.values()))
    lines = [
        ("the log itself", first.logged),
        ("chance", first.uniform),
        (f"always {first.best_arm} (best by hindsight)", first.best),
    ]
    for name, judged in found.items():
        lines += [
            (f"{name}, inverse propensity", judged.ips),
            (f"{name}, self-normalised", judged.snips),
            (f"{name}, replay", judged.replay),
        ]
    return lines
