"""What the demo leaves on the terminal: what was found, where the data is, what to try next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from ubi_stream.operations.demo.insights import RANKS, InsightFeed
from ubi_stream.operations.demo.source import Job
from ubi_stream.operations.demo.stack import Stack
from ubi_stream.operations.demo.view import counted, minutes
from ubi_stream.terminal.tables import SEVERITY_STYLE

_MOST: Final = 10
_NEXT: Final = """\
Next:
  ubi try YOUR_FILE         your own export: recognised, read, and what is worth seeing in it
  ubi up                    the same servers in the background; then ubi insights, ubi users, ubi segments
  ubi pack show ecommerce   what counts as a segment, a risk, a class of visit
  docs/                     start with docs/insights.md"""


def summary(feed: InsightFeed, job: Job, stack: Stack, start_s: float) -> Iterator[Text]:
    """The lines of the summary: the most urgent insights, then where things are."""
    while feed.next_to_show() is not None:
        pass  # what still waited belongs to the account
    yield Text(f"Insights: {counted(feed)}; {feed.history} more in the history before")
    loud = sorted(feed.shown, key=lambda one: (RANKS.index(one.severity), one.at))
    for seen in loud[:_MOST]:
        yield Text.assemble(
            (f"{minutes(seen.at_s - start_s):>5} ", "dim"),
            (f"{seen.severity:6} ", SEVERITY_STYLE[seen.severity]),
            f"{seen.about}: {seen.explanation.summary}",
        )
    if len(loud) > _MOST:
        yield Text(f"      and {len(loud) - _MOST} more", style="dim")
    if job.keeps_data:
        yield Text(f"Data, models and logs stay in {job.folder}: ubi demo --data {job.folder} goes on with them")
    else:
        yield Text("The data was in a temporary folder, and is gone with it: --data FOLDER keeps it")
    yield Text(_NEXT)
