"""The live view: figures on top, below them whole sentences; on a terminal of 80 columns, or line by line."""

from __future__ import annotations

from typing import Final

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.text import Text

from ubi_stream.operations.demo.figures import Figures
from ubi_stream.operations.demo.insights import InsightFeed, ShownInsight
from ubi_stream.terminal.tables import SEVERITY_STYLE

_INDENT: Final = 13
"""Columns before a sentence: time and severity."""
_HEAD_LINES: Final = 7
_MOST_SHOWN: Final = 20


class Screen(msgspec.Struct, frozen=True):
    """What the view shows at one time.

    Attributes
    ----------
    url, broker, postgres
        Addresses.
    elapsed_s
        Of the story.
    rate
        Events processed a second, over the last seconds.
    scene
        What was done to the stream last, with its second; empty before, and for a file.
    """

    url: str
    broker: str
    postgres: str
    elapsed_s: float
    rate: float
    figures: Figures
    scene: str = ""


class LiveView:
    """Draws the newest screen, as tall as the terminal: the most urgent sentences first, none cut off."""

    def __init__(self, feed: InsightFeed, start_s: float) -> None:
        self._feed = feed
        self._start_s = start_s
        self.screen: Screen | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.screen is None:
            return
        yield _head(self.screen, self._feed)
        room = console.height - _HEAD_LINES
        for seen in self._feed.ranked(_MOST_SHOWN):
            entry = self._entry(seen)
            lines = len(console.render_lines(entry, options))
            if lines > room:
                break
            room -= lines
            yield entry

    def _entry(self, seen: ShownInsight) -> RenderableType:
        head = Text.assemble(
            (f"{minutes(seen.at_s - self._start_s):>5} ", "dim"),
            (f"{seen.severity:6} ", SEVERITY_STYLE[seen.severity]),
            (seen.about, "bold"),
        )
        return Group(head, Padding(Text(seen.explanation.summary), (0, 0, 0, _INDENT)))


def sentence_line(seen: ShownInsight, start_s: float) -> str:
    """An insight in one line."""
    return f"{minutes(seen.at_s - start_s):>5} {seen.severity:6} {seen.about}: {seen.explanation.summary}"


def figures_line(screen: Screen, feed: InsightFeed) -> str:
    """The figures in one line."""
    figures, dead = screen.figures, screen.figures.outcomes.get("dead_letter", 0)
    letters = f"  {dead:,} dead letters" if dead else ""
    return (
        f"{minutes(screen.elapsed_s):>5} {screen.rate:,.0f} events/s  {figures.users:,} users  lag {figures.lag:,}"
        f"{letters}  insights: {counted(feed)}"
    )


def counted(feed: InsightFeed) -> str:
    """How many insights of each severity, in words.

    >>> feed = InsightFeed()
    >>> feed.counts.update(high=2, info=14)
    >>> counted(feed)
    '2 high, 0 medium, and 14 of low severity or for information'
    """
    quiet = feed.counts["low"] + feed.counts["info"]
    return f"{feed.counts['high']} high, {feed.counts['medium']} medium, and {quiet} of low severity or for information"


def minutes(seconds: float) -> str:
    """Seconds as minutes and seconds of the story.

    >>> minutes(75), minutes(-3)
    ('1:15', '0:00')
    """
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02}"


def _head(screen: Screen, feed: InsightFeed) -> RenderableType:
    figures, dead = screen.figures, screen.figures.outcomes.get("dead_letter", 0)
    letters = f"   [red]{dead:,} dead letters[/]" if dead else ""
    return Group(
        Text.from_markup(
            f"[bold]ubi demo[/]  [bold]{minutes(screen.elapsed_s)}[/]   [bold green]{screen.rate:,.0f}[/] events/s   "
            f"[bold]{figures.users:,}[/] users   lag {figures.lag:,}{letters}"
        ),
        Text.from_markup(f"page [link={screen.url}/]{screen.url}/[/link]   [dim]Ctrl-C ends it, with a summary[/]"),
        Text.from_markup(f"[dim]Kafka {screen.broker}   Postgres {screen.postgres}[/]"),
        Text.from_markup(f"Insights: {counted(feed)}", overflow="fold"),
        Text(f"Now: {screen.scene}" if screen.scene else "", style="italic"),
        Text(""),
    )
