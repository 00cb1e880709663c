"""`ubi serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.options import Broker, Dsn, PackName
from ubi_stream.terminal.configured import load_settings


def serve(
    pack: PackName = None,
    broker: Broker = None,
    dsn: Dsn = None,
    web_port: Annotated[
        int | None,
        typer.Option("--web-port", help="Port; 0 takes a free one. Default: UBI_WEB_PORT.", metavar="N"),
    ] = None,
) -> None:
    """Take events over HTTP, and answer from Postgres, without processing a stream: a tier of its own.

    Has the routes of the collector, of dead letters, insights, visits and segments; what is about a user's live state,
    workers answer. Start as many as you like behind a load balancer, and set UBI_COLLECTOR=false for the workers.

    Example: `ubi serve --web-port 8089`
    """
    settings = load_settings(pack=pack, broker=broker, postgres_dsn=dsn, web_port=web_port)
    from ubi_stream.serve import run_serve  # noqa: PLC0415 - loads aiohttp and aiokafka

    raise typer.Exit(run_serve(settings))
