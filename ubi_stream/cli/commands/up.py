"""`ubi up`, `ubi down`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ubi_stream.cli.options import PackName
from ubi_stream.clock import SystemClock
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import one_event, run_async, say, stdout
from ubi_stream.terminal.signals import EndedBySignal, until_signalled

_Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of the servers' data. Default: UBI_DATA_DIR, else the user's folder for data.",
        show_default=False,
    ),
]


def up(
    data: _Data = None,
    pack: PackName = None,
    web_port: Annotated[
        int | None, typer.Option("--web-port", help="Port of the views; taken, or 0: a free one.", metavar="N")
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and end all of it with Ctrl-C, instead of leaving it.")
    ] = False,
) -> None:
    """Start Kafka, Postgres and a worker on this machine, and leave them running. `ubi down` ends them.

    Their data stays in the folder: started again, they go on with it. Other commands find them by themselves, unless
    settings name other servers.

    Examples:

    - `ubi up`

    - `ubi up --data ./ubi-data --pack payments`
    """
    from ubi_stream.operations.background import (  # noqa: PLC0415 - loads psutil
        background_folder,
        running_background,
        start_background,
    )

    settings = load_settings(pack=pack, web_port=web_port, data_dir=data)
    folder = background_folder(settings)
    if (found := running_background(folder)) is not None:
        say(f"It runs already, as process {found.pid}, on {folder}")
    elif foreground:
        _stay(folder, settings)
        return
    else:
        from ubi_stream.local.jars import kafka_classpath  # noqa: PLC0415 - loads jgo

        say(f"Starting Kafka, Postgres and a worker; some 10 seconds. Data is in {folder}")
        kafka_classpath()  # the first time a download, with its progress on this terminal
        found = start_background(folder, settings, SystemClock())
    stdout().print(
        f"views     {found.web_url}/\n"
        f"Kafka     {found.broker}\n"
        f"Postgres  {found.postgres_dsn}\n\n"
        "Send an event:\n"
        f"  {one_event(found.broker, settings.events_topic)}\n"
        "  or from Python, Node, Go, Java: docs/examples/\n"
        "Read what was noticed:\n"
        "  ubi insights --follow\n"
        f"  curl '{found.web_url}/api/v1/insights?limit=3'\n\n"
        "End it: ubi down",
        soft_wrap=True,
        markup=False,
    )


def down(data: _Data = None) -> None:
    """End what `ubi up` started. The data stays.

    Example: `ubi down`
    """
    from ubi_stream.operations.background import (  # noqa: PLC0415 - loads psutil
        background_folder,
        running_background,
        stop_background,
    )

    folder = background_folder(load_settings(data_dir=data))
    found = running_background(folder)
    if found is None:
        say(f"Nothing runs on {folder}")
        return
    stop_background(found)
    say(f"Ended. The data stays in {folder}")


def _stay(folder: Path, settings: Settings) -> None:
    """Run the servers and the worker in this process until a signal ends it."""
    from ubi_stream.operations.background import Background, forever  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.demo.stack import running_stack  # noqa: PLC0415 - loads aiokafka, and the extra `local`

    async def run() -> None:
        async with running_stack(settings, folder, SystemClock(), say) as stack:
            Background.of_this_process(folder, stack.settings, stack.url).write()
            say(f"Ready: {stack.url}/")
            await forever()

    folder.mkdir(parents=True, exist_ok=True)
    try:
        run_async(until_signalled(run()))
    except EndedBySignal as ended:
        say("Ended")
        raise typer.Exit(0) from ended
