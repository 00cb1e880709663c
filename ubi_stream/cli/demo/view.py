"""The live view: what the demo shows of itself on one screen, and line by line where there is no terminal."""

from __future__ import annotations

from typing import Final

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ubi_stream.cli.demo.figures import Figures
from ubi_stream.cli.demo.insights import InsightFeed, Seen

_SEVERITY_STYLE: Final = {"info": "dim", "low": "cyan", "medium": "yellow", "high": "bold red"}
_BAR_WIDTH: Final = 18
_HEAD_LINES, _FRAME_LINES = 4, 3


class Moment(msgspec.Struct, frozen=True):
    """What the view shows at one moment.

    Attributes
    ----------
    elapsed_s
        Since the worker is ready.
    rate
        Events processed a second, over the last seconds.
    sent
        Events sent so far.
    """

    url: str
    elapsed_s: float
    rate: float
    sent: int
    figures: Figures


class LiveView:
    """Draws the newest moment; as tall as the terminal."""

    def __init__(self, feed: InsightFeed) -> None:
        self._feed = feed
        self.moment: Moment | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        moment = self.moment
        if moment is None:
            return
        layout = Layout()
        layout.split_column(Layout(_head(moment, self._feed), size=_HEAD_LINES), Layout(name="body"))
        layout["body"].split_row(
            Layout(Panel(_segments(self._feed), title="segments"), size=48),
            Layout(Panel(_newest(self._feed, console.height), title="newest insights")),
        )
        yield layout

    def line(self) -> str:
        """The moment in one line, for what is no terminal."""
        moment = self.moment
        if moment is None:
            return ""
        figures = moment.figures
        return (
            f"{moment.elapsed_s:.0f} s  {moment.rate:,.0f} events/s  lag {figures.lag:,}  users {figures.users:,}  "
            f"insights {self._feed.counts.total():,}"
        )


def insight_line(seen: Seen) -> str:
    """An insight in one line."""
    return f"{_clock(seen)} {seen.kind}: {_sentence(seen)}"


def _head(moment: Moment, feed: InsightFeed) -> RenderableType:
    figures = moment.figures
    dead, double = figures.outcomes.get("dead_letter", 0), figures.outcomes.get("duplicate", 0)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in feed.counts.most_common())
    return Group(
        Text.from_markup(
            f"[bold]ubi demo[/]  views at [link={moment.url}/]{moment.url}/[/link]  [dim]Ctrl-C ends it[/]"
        ),
        Text.from_markup(
            f"[bold green]{moment.rate:,.0f}[/] events/s   lag [bold]{figures.lag:,}[/]   "
            f"users [bold]{figures.users:,}[/]   sent {moment.sent:,}   dead letters {dead:,}   "
            f"duplicates {double:,}   {moment.elapsed_s:.0f} s"
        ),
        Text(f"{feed.counts.total():,} insights" + (f": {kinds}" if kinds else ""), no_wrap=True, overflow="ellipsis"),
    )


def _segments(feed: InsightFeed) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    segments = feed.segments()
    total = sum(count for _, count in segments)
    for name, count in segments:
        bar = "█" * max(1, round(_BAR_WIDTH * count / segments[0][1]))
        table.add_row(name, f"[cyan]{bar}[/]", f"{count:,}", f"[dim]{count / total:.0%}[/]")
    return table if segments else Text("nobody yet", style="dim")


def _newest(feed: InsightFeed, height: int) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.expand = True
    room = max(1, height - _HEAD_LINES - _FRAME_LINES)
    for seen in list(feed.newest)[: -room - 1 : -1]:
        style = _SEVERITY_STYLE.get(seen.severity, "")
        table.add_row(_clock(seen), f"[{style}]{seen.kind}[/]", escape(_sentence(seen)))
    return table


def _sentence(seen: Seen) -> str:
    return f"{seen.user_id}  {seen.explanation.summary}"


def _clock(seen: Seen) -> str:
    return seen.at[11:19]  # of ISO 8601
