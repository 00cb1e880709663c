"""`ubi worker`."""

from __future__ import annotations

import gc
import sys
from typing import Annotated

import typer

from ubi_stream.cli.options import Broker, Dsn, PackName
from ubi_stream.clock import SystemClock
from ubi_stream.operations.processes import settings_of_processes, with_membership
from ubi_stream.operations.supervise import Supervisor
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import child_environment, load_settings
from ubi_stream.terminal.console import say


def worker(
    pack: PackName = None,
    broker: Broker = None,
    dsn: Dsn = None,
    web_port: Annotated[
        int | None,
        typer.Option("--web-port", help="Port of the views; 0 takes a free one. Default: UBI_WEB_PORT.", metavar="N"),
    ] = None,
    transport: Annotated[
        str | None,
        typer.Option(
            "--transport",
            help="chunked, or stock: Faust's own loop, slower, only to compare with. Default: UBI_TRANSPORT.",
            metavar="NAME",
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            help="Processes that share the work, about a core each; --web-port is the first one's, the others have "
            "the next. Default: UBI_PROCESSES.",
            metavar="N",
        ),
    ] = None,
    supervised: Annotated[
        bool,
        typer.Option("--supervise", help="Start it again when it ends by itself: where nothing else does."),
    ] = False,
) -> None:
    """Run a worker: events in, explained insights out, until SIGTERM or Ctrl-C.

    Everything else comes from the environment (`ubi config`). Creates topics and tables that are missing. Waits for
    Kafka and Postgres up to UBI_STARTUP_TIMEOUT_S, then ends with status 69. Start as many as you like, up to one for
    each partition.

    Examples:

    - `UBI_BROKER=kafka:9092 UBI_POSTGRES_DSN=postgresql://ubi:secret@db/ubi ubi worker`

    - `ubi worker --pack payments --web-port 8089`

    - `ubi worker --processes 4`
    """
    settings = load_settings(
        pack=pack, broker=broker, postgres_dsn=dsn, web_port=web_port, transport=transport, processes=processes
    )
    if supervised or settings.processes > 1:
        raise typer.Exit(_run_apart(settings, supervised=supervised))
    gc.disable()  # nothing that an import makes is garbage: a fifth of the time until a worker is there
    from ubi_stream.worker import run_worker  # noqa: PLC0415 - loads Faust and the models

    gc.enable()
    raise typer.Exit(run_worker(settings))


def _run_apart(settings: Settings, *, supervised: bool) -> int:
    """Run the worker's processes as our children."""
    command = [sys.executable, "-m", "ubi_stream.cli.main", "worker"]
    if supervised:
        settings = with_membership(settings)
    if settings.processes > 1 and not settings.snapshot_key.get_secret_value():
        say(
            "UBI_SNAPSHOT_KEY is not set: models start fresh when these processes are started again. Set it to a long "
            "secret; `openssl rand -hex 32` prints one"
        )
    environments = [child_environment(one) for one in settings_of_processes(settings)]
    return Supervisor(command, environments, SystemClock(), _tell_end, again=supervised).run()


def _tell_end(status: int, pause_s: float) -> None:
    say(f"A worker ended with status {status}; it is started again in {pause_s:g} s")
