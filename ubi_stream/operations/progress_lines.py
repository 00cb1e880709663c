"""How a command that moves all state runs: a progress line, retries said, and its summary."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from ubi_stream.terminal.console import run_async
from ubi_stream.terminal.progress import progress_bar

AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
OnProgress = Callable[[int, int], None]
Summary = TypeVar("Summary")


def operate(
    work: Callable[[OnProgress], Coroutine[Any, Any, Summary]], *, step: Callable[[int, int], str], as_json: bool
) -> Summary:
    """Run `work` to its end under a progress bar, and give its summary; as JSON it is printed, and the command ends.

    `work` is given what to call with how much is done and of how much; `step` says that in words.

    Raises
    ------
    typer.Exit
        The summary was printed as JSON.
    """
    with progress_bar(None) as bar:
        summary = run_async(work(lambda done, of: bar.move(None, step(done, of))))
    if as_json:
        typer.echo(msgspec.json.encode(summary))
        raise typer.Exit
    return summary


def partition_step(done: int, of: int) -> str:
    """Words for work that goes partition by partition."""
    return f"partition {done + 1} of {of}"
