"""`ubi connect`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from ubi_stream.cli.options import Broker, WebUrl
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError, likely
from ubi_stream.terminal.console import run_async, say, stdout

_PLACEHOLDER = "YOUR-INGEST-KEY"


def connect(
    name: Annotated[
        str, typer.Argument(help="segment, rudder, posthog, snowplow, ubi, cloudevents or curl.", metavar="NAME")
    ],
    key: Annotated[
        str, typer.Option("--key", help="An ingest key: `ubi keys create NAME --ingest` makes one.", metavar="KEY")
    ] = _PLACEHOLDER,
    user: Annotated[
        str | None,
        typer.Option("--user", help="Wait for an event of this user alone.", metavar="ID", show_default=False),
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0.0, help="Seconds to wait for the first event; 0 only prints what to run.")
    ] = 300.0,
    url: WebUrl = None,
    broker: Broker = None,
) -> None:
    """Connect a sender: print what to run, wait for its first event, and show what becomes of it.

    Shows the event, the profile and the first insight with their times; of a rejected event why, and what to do.
    Ends with status 1 if no event came.

    Examples:

    - `ubi connect segment`

    - `ubi connect curl --wait 0`
    """
    from ubi_stream.operations import connecting  # noqa: PLC0415 - loads aiohttp and aiokafka
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import worker_url  # noqa: PLC0415 - loads asyncpg

    if name not in connecting.SNIPPETS:
        raise ConfigError(
            f"NAME = {name}: {likely(name, connecting.SNIPPETS)}expected one of {', '.join(connecting.SNIPPETS)}"
        )
    settings = server_settings(broker=broker)
    address = worker_url(settings, url)
    stdout().print(escape(connecting.snippet(name, address, key)), soft_wrap=True)
    if wait == 0:
        return
    say("\nRun this elsewhere. Waiting for the first event …")
    first_ms: list[int] = []

    def show(step: connecting.Step) -> None:
        after = f"+{(step.at_ms - first_ms[0]) / 1000:.2f} s" if first_ms else ""
        if step.kind == "event":
            first_ms.append(step.at_ms)
        stdout().print(f"[bold]{step.kind:9}[/] {after:>8}  {escape(step.text)}", soft_wrap=True)
        if step.kind == "rejected":
            stdout().print(f"{'':9} {'':>8}  {escape('→ ' + connecting.FIXES.get(step.reason, ''))}", soft_wrap=True)

    work = connecting.watch(settings, address, show, SystemClock().now_ms, user_id=user, within_s=wait)
    if not run_async(work):
        say("No event came. Is the address right, and the key good? `ubi doctor` looks at the servers.")
        raise typer.Exit(1)
