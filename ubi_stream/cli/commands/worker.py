"""`ubi worker`."""

from __future__ import annotations

import gc
import sys
import uuid
from typing import Annotated

import typer

from ubi_stream.cli.configured import child_environment, load_settings
from ubi_stream.cli.console import say
from ubi_stream.cli.options import PackName
from ubi_stream.cli.supervise import Supervisor
from ubi_stream.clock import SystemClock
from ubi_stream.settings import Settings


def worker(
    pack: PackName = None,
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
    supervised: Annotated[
        bool,
        typer.Option("--supervise", help="Start it again when it ends by itself: where nothing else does."),
    ] = False,
) -> None:
    """Run a worker: events in, explained insights out, until SIGTERM or Ctrl-C.

    Everything else comes from the environment (`ubi config`). Creates topics and tables that are missing. Waits for
    Kafka and Postgres up to UBI_STARTUP_TIMEOUT_S, then ends with status 69. Start as many as there are partitions.

    Examples:

    - `UBI_BROKER=kafka:9092 UBI_POSTGRES_DSN=postgresql://ubi:secret@db/ubi ubi worker`

    - `ubi worker --pack payments --web-port 8089`
    """
    settings = load_settings(pack=pack, web_port=web_port, transport=transport)
    if supervised:
        raise typer.Exit(_supervised(settings))
    gc.disable()  # nothing that an import makes is garbage: a fifth of the time until a worker is there
    from ubi_stream.worker import run_worker  # noqa: PLC0415 - loads Faust and the models

    gc.enable()
    raise typer.Exit(run_worker(settings))


def with_membership(settings: Settings) -> Settings:
    """Settings under which a worker that is started again is the same member of its group.

    It takes its partitions over at once then, instead of waiting until the broker misses the one that died.
    """
    if settings.instance_id is not None:
        return settings
    return settings.model_copy(update={"instance_id": f"supervised-{uuid.uuid4().hex[:12]}"})


def _supervised(settings: Settings) -> int:
    command = [sys.executable, "-m", "ubi_stream.cli.main", "worker"]
    return Supervisor(command, child_environment(with_membership(settings)), SystemClock(), _tell_end).run()


def _tell_end(status: int, pause_s: float) -> None:
    say(f"The worker ended with status {status}; it is started again in {pause_s:g} s")
