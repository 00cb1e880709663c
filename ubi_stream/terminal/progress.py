"""The progress bar of a long command: on a terminal it moves, elsewhere only the summary is printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ubi_stream.terminal.console import stderr


class Bar:
    """Moves a progress bar."""

    def __init__(self, progress: Progress, total: float | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def move(self, done: float | None, text: str) -> None:
        """Say how much is done, in the unit of the total, and in words."""
        self._progress.update(self._task, completed=done, description=text)


@contextmanager
def progress_bar(total: float | None) -> Iterator[Bar]:
    """A bar on standard error; without a total it only spins."""
    measures = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()) if total else ()
    console = stderr()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *measures, TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, total)
