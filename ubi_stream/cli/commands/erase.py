"""`ubi erase`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import msgspec
import typer
from rich.markup import escape

from ubi_stream.clock import SystemClock
from ubi_stream.operations.background import server_settings
from ubi_stream.terminal.console import run_async, say, stdout


def erase(
    user: Annotated[str, typer.Option("--user", help="Id of the user.")],
    broker: Annotated[
        str | None, typer.Option("--broker", help="Kafka. Default: UBI_BROKER.", metavar="HOST:PORT")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0.0, help="Seconds to wait for the receipt.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")] = False,
) -> None:
    """Forget all that is known of a user, and print the receipt.

    Puts an erasure on the events topic, in order with the user's events. What happens after it is of a new user.

    Examples:

    - `ubi erase --user u-1`

    - `ubi erase --user u-1 --broker kafka:9092 --wait 60 --json`
    """
    from ubi_stream.operations import erasing  # noqa: PLC0415 - loads aiokafka

    settings = server_settings(broker=broker)
    answer = run_async(erasing.erase_user(user, settings, f"erase/{uuid4().hex}", SystemClock(), within_s=wait))
    if as_json:
        print(msgspec.json.encode(answer).decode())
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    receipt = answer["insight"]
    if receipt is None:
        say("the erasure is on the topic; no worker has come to it yet")
        return
    stdout().print(f"[bold]{receipt['label']}[/]  {escape(receipt['summary'])}")
    stdout().print(f"  {'receipt':10} {receipt['id']}")
    for part in receipt["evidence"]["parts"]:
        stdout().print(f"  {'gone':10} {part.replace('_', ' ')}")
