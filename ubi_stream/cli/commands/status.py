"""`ubi status`."""

from __future__ import annotations

import typer
from rich.text import Text

from ubi_stream.cli.options import AsJson, Broker, Dsn, WebUrl
from ubi_stream.terminal.console import run_async, say, stdout


def status(
    broker: Broker = None,
    dsn: Dsn = None,
    web_url: WebUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say in a few lines whether Kafka, Postgres and a worker run, how far behind they are, and what was noticed.

    Ends with status 1 if one of them does not answer.

    Examples:

    - `ubi status`

    - `ubi status --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.looking import look_around  # noqa: PLC0415 - loads aiokafka, asyncpg and aiohttp
    from ubi_stream.operations.servers import worker_url  # noqa: PLC0415 - as above
    from ubi_stream.terminal.tables import print_json, table  # noqa: PLC0415 - loads rich's tables

    settings = server_settings(broker=broker, dsn=dsn)
    found = run_async(look_around(settings, worker_url(settings, web_url)))
    if as_json:
        print_json(found)
    else:
        words = {True: Text("up", style="green"), False: Text("down", style="bold red")}
        stdout().print(table(("server", "", "what it says"), ((one.name, words[one.up], one.text) for one in found)))
    if any(not one.up for one in found):
        if not as_json:
            say("`ubi doctor` says what to do; `ubi up` starts all of it on this machine.")
        raise typer.Exit(1)
