"""`ubi privacy hash`, `report`, `export`, `open`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ubi_stream.cli.options import AsJson, Dsn, PackName
from ubi_stream.errors import ConfigError
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say, stdout

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Personal data: hashes of ids, what was found, exports."
)


@app.command("hash")
def hash_ids(users: Annotated[list[str], typer.Argument(help="Ids of users.", metavar="ID...")]) -> None:
    """Print the hashes of ids under UBI_PII_KEY: lines for UBI_DO_NOT_TRACK that name nobody.

    Example: `ubi privacy hash u-1 u-2`
    """
    from ubi_stream.privacy.hashing import hashed  # noqa: PLC0415 - beside its only use

    key = load_settings().hash_key
    if not key:
        raise ConfigError("there is no key to hash with: set UBI_PII_KEY")
    for user_id in users:
        typer.echo(hashed(key, user_id))


@app.command("report")
def report(pack: PackName = None, dsn: Dsn = None, as_json: AsJson = False) -> None:
    """Show which personal data the filter found, by property, and what it did.

    Examples:

    - `ubi privacy report`

    - `ubi privacy report --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg and aiohttp
    from ubi_stream.sinks.privacy_queries import privacy_report  # noqa: PLC0415 - as above
    from ubi_stream.terminal.tables import clock, print_json, table  # noqa: PLC0415 - loads rich's tables

    settings = server_settings(dsn=dsn, pack=pack)
    name = load_pack(settings.pack).name
    found = run_async(ask_database(settings, lambda database: privacy_report(database, pack=name)))
    if as_json:
        print_json(found)
        return
    if not found.found and not found.withheld:
        say("no personal data was found")
    rows = ((one.property, one.rule, one.action, f"{one.records:,}", clock(one.newest)) for one in found.found)
    if found.found:
        stdout().print(table(("property", "what", "done", "#records", "newest"), rows))
    for one in found.withheld:
        stdout().print(f"{one.events:,} events were not kept: {one.reason.replace('_', ' ')}")


@app.command("export")
def export(
    user: Annotated[str, typer.Argument(help="Id of the user.", metavar="ID")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write; it must not be there.", metavar="FILE")],
    entity: Annotated[str, typer.Option("--entity", help="Kind of entity that the id is of.")] = "user",
    web_url: Annotated[str | None, typer.Option("--web-url", help="A worker's views.", metavar="URL")] = None,
) -> None:
    """Write all that is kept about a user to a file; sealed, if UBI_DATA_KEYS has a key.

    Examples:

    - `ubi privacy export u-1 --out u-1.json`

    - `ubi privacy export t-9 --entity terminal --out t-9.json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.sealing import write_export  # noqa: PLC0415 - loads cryptography
    from ubi_stream.operations.servers import ask_worker, entity_path, worker_url  # noqa: PLC0415 - loads aiohttp
    from ubi_stream.privacy.keyring import KeyRing  # noqa: PLC0415 - loads cryptography

    settings = server_settings()
    ring = KeyRing.parse(settings.ring)
    path = f"{entity_path(user)}/export"
    document: Any = run_async(ask_worker(worker_url(settings, web_url), path, {"entity": entity}))
    if document is None:
        say("nothing is kept about it")
        raise typer.Exit(1)
    write_export(out, msgspec.json.encode(document), ring)
    say(f"{out} is {'sealed' if ring else 'not sealed: UBI_DATA_KEYS has no key'}")


@app.command("open")
def open_export(file: Annotated[Path, typer.Argument(help="A sealed export.", metavar="FILE")]) -> None:
    """Print a sealed export.

    Example: `ubi privacy open u-1.json`
    """
    from ubi_stream.operations.sealing import read_export  # noqa: PLC0415 - loads cryptography
    from ubi_stream.privacy.keyring import KeyRing  # noqa: PLC0415 - as above

    typer.echo(read_export(file, KeyRing.parse(load_settings().ring)).decode())
