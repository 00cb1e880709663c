"""`ubi keys create`, `rotate`, `revoke`, `list`; `data-key` and `reseal` of the keys that data is sealed with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from rich.markup import escape

from ubi_stream.cli.options import AsJson, Dsn
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, say, stdout

if TYPE_CHECKING:
    from ubi_stream.settings import Settings
    from ubi_stream.sinks.queries import Database

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Make, rotate, revoke and list API keys.")

_Id = Annotated[str, typer.Argument(help="Id of the key, as `ubi keys list` shows it.", metavar="ID")]
_Answer = TypeVar("_Answer")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for; of an ingest key the source.", metavar="NAME")],
    ingest: Annotated[bool, typer.Option("--ingest", help="A key that may be public: it writes events alone.")] = False,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it grants, such as insights:read; may be repeated.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="viewer, analyst, privacy or admin; may be repeated.")
    ] = None,
    pack: Annotated[str, typer.Option("--pack", help="Pack of the events of an ingest key.")] = "",
    requests: Annotated[int | None, typer.Option("--requests", min=1, help="Requests in a window.")] = None,
    days: Annotated[float | None, typer.Option("--days", min=0.0, help="Days until it expires.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Store nothing; print also the line for UBI_KEYS_FILE.")
    ] = False,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Make a key, and show it: this once, for it is not stored.

    Examples:

    - `ubi keys create ops --role admin`

    - `ubi keys create reports --scope insights:read --scope visits:read --days 90`

    - `ubi keys create web-shop --ingest`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.web.security.key_store import create_key, make_key  # noqa: PLC0415 - loads asyncpg and aiohttp
    from ubi_stream.web.security.keys import KeyKind, wrong_grants  # noqa: PLC0415 - as above
    from ubi_stream.web.security.principal import Role, Source  # noqa: PLC0415 - as above

    kind = KeyKind.INGEST if ingest else KeyKind.SECRET
    if unknown := [one for one in role or [] if one not in {one.value for one in Role}]:
        raise ConfigError(f"There is no role {unknown[0]!r}; there are: {', '.join(Role)}")
    roles, scopes = frozenset(map(Role, role or [])), frozenset(scope or [])
    if wrong := wrong_grants(kind, roles, scopes):
        raise ConfigError(wrong)
    settings = server_settings(dsn=dsn)
    text, key = make_key(
        kind,
        name,
        secret=settings.keys_secret.get_secret_value().encode(),
        now=_now(),
        roles=roles,
        scopes=scopes,
        source=Source(name=name, pack=pack) if ingest else None,
        requests=requests,
        days=days,
    )
    if not record:
        _ask(settings, lambda database: create_key(database, key))
    if as_json:
        kept = {"record": key} if record else {}
        typer.echo(msgspec.json.encode({"id": key.id, "key": text, **kept}).decode())
        return
    stdout().print(f"{text}\n", soft_wrap=True, markup=False)
    say(f"This is the only time that the key is shown. Its id is {key.id}.")
    if record:
        typer.echo(msgspec.json.encode(key).decode())


@app.command("rotate")
def rotate(
    key_id: Annotated[
        str | None, typer.Argument(help="Id of the key, as `ubi keys list` shows it.", metavar="ID")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="Seal this backup or export again, under the first key of UBI_DATA_KEYS.", metavar="FILE"
        ),
    ] = None,
    overlap_h: Annotated[
        float, typer.Option("--overlap", min=0.0, help="Hours for which the old key stays good.", metavar="HOURS")
    ] = 24.0,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """Make a key that grants what another does; the old one is good for the overlap. Or seal files under a new key.

    Examples:

    - `ubi keys rotate key_1f0c2b7a9d3e4c55 --overlap 2`

    - `ubi keys rotate --data a.ubi --data b.ubi`
    """
    if data:
        _reseal(data)
    if key_id is None:
        if not data:
            raise ConfigError("say which key to rotate, or which files to seal again with --data")
        return
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.web.security.key_store import find_key, rotate_key  # noqa: PLC0415 - loads asyncpg and aiohttp

    settings = server_settings(dsn=dsn)

    async def work(database: Database) -> tuple[str, str] | None:
        old = await find_key(database, key_id)
        if old is None:
            return None
        secret = settings.keys_secret.get_secret_value().encode()
        text, new = await rotate_key(database, old, secret=secret, now=_now(), overlap_s=overlap_h * 3600)
        return text, new.id

    found = _ask(settings, work)
    if found is None:
        raise _no_key(key_id)
    text, new_id = found
    if as_json:
        typer.echo(msgspec.json.encode({"id": new_id, "key": text}).decode())
        return
    stdout().print(f"{text}\n", soft_wrap=True, markup=False)
    say(f"Its id is {new_id}. {escape(key_id)} is good for {overlap_h:g} hours more.")


@app.command("data-key")
def data_key(
    key_id: Annotated[str, typer.Argument(help="A name for it, such as the year.", metavar="ID")],
) -> None:
    """Make a key that backups and exports are sealed with. Put it in front in UBI_DATA_KEYS.

    Example: `ubi keys data-key 2027`
    """
    from ubi_stream.privacy.keyring import KeyRing  # noqa: PLC0415 - loads cryptography

    typer.echo(KeyRing.generate(key_id))


def _reseal(files: list[Path]) -> None:
    from ubi_stream.operations.sealing import reseal_file  # noqa: PLC0415 - loads cryptography
    from ubi_stream.privacy.keyring import KeyRing  # noqa: PLC0415 - as above

    ring = KeyRing.parse(load_settings().ring)
    for file in files:
        say(f"{file}: {'sealed again' if reseal_file(file, ring) else 'is under the first key already'}")


@app.command("revoke")
def revoke(key_id: _Id, dsn: Dsn = None) -> None:
    """Revoke a key: within a second no worker takes it.

    Example: `ubi keys revoke key_1f0c2b7a9d3e4c55`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.web.security.key_store import revoke_key  # noqa: PLC0415 - loads asyncpg and aiohttp

    if not _ask(server_settings(dsn=dsn), lambda database: revoke_key(database, key_id, _now())):
        raise _no_key(key_id)
    say(f"{escape(key_id)} is good for nothing any more")


@app.command("list")
def list_all(dsn: Dsn = None, as_json: AsJson = False) -> None:
    """List all keys: what they grant, until when, and when they were last used. The keys themselves are not stored.

    Example: `ubi keys list`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.terminal.tables import clock, print_json, table  # noqa: PLC0415 - loads rich's tables
    from ubi_stream.web.security.key_store import list_keys  # noqa: PLC0415 - loads asyncpg and aiohttp

    keys, now = _ask(server_settings(dsn=dsn), list_keys), _now()
    if as_json:
        shown = ({**msgspec.structs.asdict(key), "good": key.is_good(now)} for key in keys)
        print_json([{name: value for name, value in one.items() if name != "hash"} for one in shown])
    elif keys:
        heads = ("id", "kind", "name", "state", "last used (UTC)", "grants")
        rows: list[tuple[Any, ...]] = [
            (key.id, key.kind.value, key.name, _state(key, now), key.last_used_at and clock(key.last_used_at),
             ", ".join(sorted(key.roles | key.scopes)) or "events:write")
            for key in keys
        ]  # fmt: skip
        stdout().print(table(heads, rows))
    else:
        say("None yet: views answer this machine alone. `ubi keys create ops --role admin` makes the first.")


def _state(key: Any, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_good(now):
        return "expired"
    return "good" if key.replaced_by is None else "replaced"


def _ask(settings: Settings, query: Callable[[Database], Awaitable[_Answer]]) -> _Answer:
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg and aiohttp

    return run_async(ask_database(settings, query))


def _now() -> datetime:
    return datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)


def _no_key(key_id: str) -> ConfigError:
    return ConfigError(f"There is no key {key_id!r}; `ubi keys list` shows those there are")
