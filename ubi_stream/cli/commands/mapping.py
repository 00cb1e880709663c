"""`ubi mapping list`, `show`, `init`, `check`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ubi_stream.cli.commands.try_file import (
    DataFile,
    MappingOut,
    TimeColumn,
    TypeColumn,
    UserColumn,
    Yes,
    Zone,
    default_mapping_file,
    proposed,
    say_beside,
)
from ubi_stream.cli.options import AsJson, PackName
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import load_mapping, mapping_names
from ubi_stream.mappings.write import mapping_text
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import say, stdout

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="List, show, make and check mappings.")

_Name = Annotated[
    str,
    typer.Argument(help="Name of a shipped mapping, or path of a .toml file.", metavar="MAPPING", show_default=False),
]


@app.command("list")
def list_mappings(as_json: AsJson = False) -> None:
    """List the mappings that come with the product.

    Example: `ubi mapping list`
    """
    mappings = [load_mapping(name) for name in mapping_names()]
    if as_json:
        rows = [{"name": one.name, "pack": one.pack, "description": one.description} for one in mappings]
        typer.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    table = Table("mapping", "what it reads", box=None, pad_edge=False, header_style="bold")
    for one in mappings:
        table.add_row(one.name, escape(one.description))
    stdout().print(table)


@app.command("show")
def show(name: _Name) -> None:
    """Print a mapping as a file, to change it.

    Example: `ubi mapping show ga4 > mine.toml`
    """
    typer.echo(mapping_text(load_mapping(name)), nl=False)


@app.command("init")
def init(
    file: DataFile,
    time: TimeColumn = None,
    user: UserColumn = None,
    event_type: TypeColumn = None,
    timezone: Zone = "UTC",
    yes: Yes = False,
    pack: PackName = None,
    mapping_out: MappingOut = None,
) -> None:
    """Write a mapping for a file, as `ubi try` finds it, without running the file.

    Example: `ubi mapping init visits.csv`
    """
    from ubi_stream.data.forms.guess import Asked  # noqa: PLC0415 - as above
    from ubi_stream.replay.trying import beside, write_mapping  # noqa: PLC0415 - loads the models

    proposal = proposed(file, load_settings(pack=pack), Asked(time, user, event_type, timezone), yes=yes)
    target = mapping_out or default_mapping_file(file)
    write_mapping(proposal.mapping, target)
    for sentence in proposal.sentences:
        say(escape(sentence))
    say_beside(beside(file, proposal))
    written = escape(str(target))
    say(f"\n[green]OK[/]: {written} is written; ubi replay {escape(file.name)} --mapping {written}")


@app.command("check")
def check(
    name: _Name,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read the first rows of this file with it.", show_default=False)
    ] = None,
) -> None:
    """Check a mapping: that it is right, that its pack is there, and with --file that it reads the file.

    Ends with status 0 if so, 64 if not.

    Examples:

    - `ubi mapping check visits.toml`

    - `ubi mapping check visits.toml --file visits.csv`
    """
    mapping, settings = load_mapping(name), load_settings()
    if mapping.pack is not None:
        load_pack(mapping.pack)
    if file is not None:
        from ubi_stream.data.forms.sample import ROWS  # noqa: PLC0415 - as above
        from ubi_stream.replay.trying import Proposal, beside  # noqa: PLC0415 - loads the models

        pack = load_pack(mapping.pack or settings.pack)
        say_beside(beside(file, Proposal(mapping, None, pack, settings, [])))
        with ReplaySource(file, mapping, key=settings.hash_key) as source:
            list(islice(source, ROWS))
            for place, count in sorted(source.unread.items()):
                say(f"{escape(place)}: {count:,} values are not of the type that the mapping says")
            for what, count in source.left_out.most_common():
                say(f"left out: {escape(what)} ({count:,})")
    say(f"[green]OK[/]: {escape(name)} reads the columns {escape(', '.join(mapping.columns())) or 'of our own form'}")
