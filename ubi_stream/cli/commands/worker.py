"""`ubi worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from ubi_stream.cli.configured import load_settings
from ubi_stream.cli.options import PackName


def worker(
    pack: PackName = None,
    web_port: Annotated[
        int | None,
        typer.Option("--web-port", help="Port of the views; 0 takes a free one. Default: UBI_WEB_PORT.", metavar="N"),
    ] = None,
) -> None:
    """Run a worker: events in, explained insights out, until SIGTERM or Ctrl-C.

    Everything else comes from the environment (`ubi config`). Creates topics and tables that are missing. Waits for
    Kafka and Postgres up to UBI_STARTUP_TIMEOUT_S, then ends with status 69. Start as many as there are partitions.

    Examples:

    - `UBI_BROKER=kafka:9092 UBI_POSTGRES_DSN=postgresql://ubi:secret@db/ubi ubi worker`

    - `ubi worker --pack payments --web-port 8089`
    """
    settings = load_settings(pack=pack, web_port=web_port)
    from ubi_stream.worker import run_worker  # noqa: PLC0415 - loads Faust and the models

    raise typer.Exit(run_worker(settings))
