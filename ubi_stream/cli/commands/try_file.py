"""`ubi try`."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from ubi_stream.cli.options import OutFile, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import say
from ubi_stream.terminal.lines import open_lines
from ubi_stream.terminal.progress import progress_bar

if TYPE_CHECKING:
    from ubi_stream.data.forms.guess import Asked
    from ubi_stream.replay.trying import Beside, FileTrial, Proposal
    from ubi_stream.settings import Settings

_SHOWN = 400

DataFile = Annotated[Path, typer.Argument(help="Your file.", metavar="FILE", show_default=False)]
TimeColumn = Annotated[str | None, typer.Option("--time", help="Column with the time.", metavar="COLUMN")]
UserColumn = Annotated[str | None, typer.Option("--user", help="Column with the user.", metavar="COLUMN")]
TypeColumn = Annotated[
    str | None,
    typer.Option("--type", help="Column that says what happened, or =view: each row is a view.", metavar="COLUMN"),
]
Zone = Annotated[str, typer.Option("--timezone", help="Zone of times that name none.", metavar="ZONE")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the best guesses, and say them.")]
MappingOut = Annotated[
    Path | None,
    typer.Option(
        "--mapping-out",
        help="Where the mapping is written. Default: the file's name with .toml, here.",
        metavar="FILE",
        show_default=False,
    ),
]


def try_file(
    file: DataFile,
    time: TimeColumn = None,
    user: UserColumn = None,
    event_type: TypeColumn = None,
    timezone: Zone = "UTC",
    yes: Yes = False,
    pack: PackName = None,
    mapping_out: MappingOut = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the account as one page.", metavar="FILE", show_default=False)
    ] = None,
    out: OutFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the account as JSON.")] = False,
) -> None:
    """Try a file of your own: find out how it is to be read, run it here, and show what comes of it.

    Files of Google Analytics, Segment, RudderStack, PostHog, Matomo, Shopify, Snowplow, Apache, nginx, CloudEvents and
    some public data sets are recognised. Of others it asks for the columns with time, user and event type. The mapping
    is written to a file, for `ubi replay` and workers.

    Examples:

    - `ubi try events.csv`

    - `ubi try orders.csv --html orders.html`

    - `ubi try visits.csv --time when --user visitor --type what --timezone Europe/Berlin --yes`
    """
    from ubi_stream.data.forms.guess import Asked  # noqa: PLC0415 - as above
    from ubi_stream.replay.try_page import try_page  # noqa: PLC0415 - loads the models
    from ubi_stream.replay.trying import run_try, write_mapping  # noqa: PLC0415 - as above

    proposal = proposed(file, load_settings(pack=pack), Asked(time, user, event_type, timezone), yes=yes)
    target = mapping_out or default_mapping_file(file)
    proposal = msgspec.structs.replace(proposal, mapping=write_mapping(proposal.mapping, target))
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(file.stat().st_size))
        lines = None if out is None else stack.enter_context(open_lines(out))
        tried = run_try(file, proposal, SystemClock(), lines, lambda read, events: bar.move(read, f"{events:,} events"))
    if html is not None:
        try:
            html.write_text(try_page(tried), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"page {html} can't be written: {error.strerror}") from error
    if as_json:
        typer.echo(msgspec.json.encode(tried))
        return
    _say(tried, target)
    if html is not None:
        say(f"\nThe same as a page: {escape(str(html))}")


def proposed(file: Path, settings: Settings, asked: Asked, *, yes: bool) -> Proposal:
    """How a file is to be read; asks where somebody sits at the terminal.

    Raises
    ------
    ConfigError
        The file can't be read, or nothing in it looks like a time or a user.
    """
    from ubi_stream.replay.trying import propose  # noqa: PLC0415 - loads the models

    return propose(file, settings, asked, _ask if sys.stdin.isatty() and not yes else _take)


def default_mapping_file(file: Path) -> Path:
    """Where the mapping of a file is written: in the working directory, under the file's name.

    >>> default_mapping_file(Path("data/visits.csv.gz"))
    PosixPath('visits.toml')
    """
    return Path(f"{file.name.partition('.')[0] or 'mine'}.toml")


def say_beside(rows: list[Beside]) -> None:
    """Print rows, and below each what it becomes."""
    for one in rows:
        say(f"\n[bold]row {one.number}[/] {escape(one.row[:_SHOWN])}\n  → {escape(one.becomes[:_SHOWN])}")


def _say(tried: FileTrial, target: Path) -> None:
    known = f"a file of the form {tried.known_as}" if tried.known_as else "of no known form: columns guessed"
    say(f"[bold]{escape(tried.file)}[/] is {escape(known)}; pack {escape(tried.pack)}; mapping: {escape(str(target))}")
    for sentence in tried.guesses:
        say(f"  {escape(sentence)}")
    say_beside(tried.beside)
    say("\n[bold]What became of the rows[/]")
    for sentence in tried.sentences:
        say(f"  {escape(sentence)}")
    say(f"\n[bold]Most worth seeing[/]{'' if tried.insights else ': nothing yet'}")
    for insight in tried.insights:
        what = f"{insight['severity']:6} {insight['kind']} of {insight['user_id']} at {insight['at']}"
        say(f"  {escape(what)}\n         {escape(insight['explanation']['summary'])}")


def _ask(question: str, guess: str) -> str:
    return str(typer.prompt(question, default=guess, err=True))


def _take(_pending: str, guess: str) -> str:
    return guess
