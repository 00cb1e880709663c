"""`ubi label`."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
import typer
from rich.markup import escape

from ubi_stream.clock import SystemClock
from ubi_stream.operations.background import server_settings
from ubi_stream.terminal.console import run_async, say, stdout

_FIGURES: Final = {
    "probability": "probability",
    "threshold": "its threshold",
    "peers_threshold": "threshold of the others",
}


def label(
    user: Annotated[str, typer.Option("--user", help="Whom the insight is about.")],
    said: Annotated[
        str,
        typer.Option(
            "--label",
            help="confirmed or true, false_positive or false; of a recommendation also accepted or ignored; or an "
            "outcome of the pack that came true.",
            metavar="LABEL",
        ),
    ],
    insight: Annotated[
        str | None, typer.Option("--insight", help="Id of an anomaly or prediction. Default: the user's newest one.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", help="Outcome of the pack that the label teaches, if not the insight.")
    ] = None,
    weight: Annotated[float, typer.Option("--weight", help="How much it counts, above 0 and up to 10.")] = 1.0,
    author: Annotated[str | None, typer.Option("--author", help="Who says so.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="Why.")] = None,
    entity: Annotated[str, typer.Option("--entity", help="Kind of entity.")] = "user",
    url: Annotated[
        str | None, typer.Option("--web-url", help="A worker's views. Default: from UBI_WEB_HOST and UBI_WEB_PORT.")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option("--broker", help="Put it on this Kafka, past any worker.", metavar="HOST:PORT"),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0.0, help="Seconds to wait for what it brings about.")] = 10.0,
    key: Annotated[
        str | None,
        typer.Option("--key", help="What makes it the same label when sent again. Default: a new one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")] = False,
) -> None:
    """Say whether an insight was right, and print what the models learned from it.

    Ends with status 1 if nothing could be learned, because nothing is kept of the insight, or no model learns such
    outcomes.

    Examples:

    - `ubi label --user u-1 --insight 28f563a3-1299-5e40-bb25-8d5b4ab3bb0f --label false_positive --author ann`

    - `ubi label --user u-1 --outcome returns_within_week --label true --broker kafka:9092 --json`
    """
    from ubi_stream.operations import labelling  # noqa: PLC0415 - loads aiohttp and aiokafka
    from ubi_stream.web.address import local_url  # noqa: PLC0415 - as above
    from ubi_stream.web.views.labels import LabelBody  # noqa: PLC0415 - as above

    settings = server_settings(broker=broker)
    truth = {"true": True, "false": False}.get(said, said)
    words = LabelBody(user, truth, insight, outcome, weight, author, note, entity)
    key = key or uuid4().hex
    if broker is not None:
        work = labelling.by_kafka(words, settings, f"label/{key}", SystemClock(), within_s=wait)
    else:
        url = url or local_url(settings.web_host, settings.web_port)
        work = labelling.by_worker(words, url, key, within_s=wait)
    answer = run_async(work)
    if as_json:
        print(msgspec.json.encode(answer).decode())
    else:
        _show(answer)
    if answer["status"].startswith("unknown"):
        raise typer.Exit(1)


def _show(answer: dict[str, Any]) -> None:
    insight = answer["insight"]
    if insight is None:
        say("the label is on the topic; no worker has come to it yet")
        return
    stdout().print(f"[bold]{answer['status'].replace('_', ' ')}[/]  {escape(insight['summary'])}")
    evidence = insight["evidence"]
    for name, words in _FIGURES.items():
        before, after = evidence[name]["before"], evidence[name]["after"]
        if after is not None:
            stdout().print(f"  {words:24} {'none' if before is None else f'{before:.6g}'} → {after:.6g}")
    if evidence["labels"]:
        stdout().print(f"  {'labels so far':24} {evidence['labels']}, of this {evidence['entity_labels']}")
