"""What the worker counts, read from its metrics."""

from __future__ import annotations

from collections import Counter
from typing import Final

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from ubi_stream.errors import LocalServiceError

_SUMMED: Final = ("ubi_late_events_total", "ubi_users", "ubi_lag_events")


class Figures(msgspec.Struct, frozen=True):
    """Counts since the worker's start, and gauges as of now.

    Attributes
    ----------
    outcomes
        Records of the events topic by what became of them: accepted, dead_letter, duplicate, unwanted, …
    late
        Accepted events that came after the watermark.
    users
        Users whose state is kept.
    lag
        Records not processed yet.
    """

    outcomes: dict[str, int]
    late: int
    users: int
    lag: int

    @property
    def processed(self) -> int:
        """Records that were looked at, each once, wherever they were processed in the end."""
        return sum(self.outcomes.get(name, 0) for name in ("accepted", "dead_letter", "duplicate", "unwanted"))

    def since(self, before: Figures) -> Figures:
        """The same with counts from `before` on; gauges stay as they are."""
        outcomes = {name: count - before.outcomes.get(name, 0) for name, count in self.outcomes.items()}
        return Figures(outcomes, self.late - before.late, self.users, self.lag)


def read_figures(text: str) -> Figures:
    """Read what `/metrics` gives."""
    totals: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "ubi_events_total":
                outcomes[sample.labels["outcome"]] += int(sample.value)
            elif sample.name in _SUMMED:
                totals[sample.name] += int(sample.value)
    return Figures(dict(outcomes), *(totals[name] for name in _SUMMED))


async def fetch_figures(session: aiohttp.ClientSession, url: str) -> Figures:
    """Ask the worker.

    Raises
    ------
    LocalServiceError
        It does not answer.
    """
    try:
        async with session.get(f"{url}/metrics") as answer:
            if answer.status in (401, 403):
                raise LocalServiceError(f"the worker at {url} needs a key that reads metrics: UBI_API_KEY")
            answer.raise_for_status()
            return read_figures(await answer.text())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LocalServiceError(f"the worker at {url} does not tell its metrics: {error}") from error
