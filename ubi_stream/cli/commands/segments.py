"""`ubi segments`; `ubi visit`, which is `ubi session` as well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from ubi_stream.cli.options import AsJson, WebUrl
from ubi_stream.terminal.console import run_async, say, stdout

if TYPE_CHECKING:
    from ubi_stream.settings import Settings

_BAR = 20
_STYLES = {"grey": "dim", "orange": "dark_orange", "purple": "magenta"}
"""Colours of a pack that a terminal calls otherwise."""


def segments(
    watch: Annotated[
        float | None, typer.Option("--watch", help="Show them anew every so many seconds.", min=0.5, metavar="SECONDS")
    ] = None,
    web_url: WebUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show how active users are spread over segments, and what visits of each class come to.

    Asks a worker: users of the newest day, and visits of the day up to the newest one.

    Examples:

    - `ubi segments`

    - `ubi segments --watch 5`

    - `ubi segments --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.terminal.tables import print_json  # noqa: PLC0415 - loads rich's tables

    settings = server_settings()
    if watch is not None and not as_json:
        run_async(_watch(settings, web_url, watch))
        return
    while True:
        found = run_async(_ask(settings, web_url))
        if as_json:
            print_json(found)
        else:
            stdout().print(_shown(found))
        if watch is None:
            return
        run_async(asyncio.sleep(watch))


def visit(
    session_id: Annotated[str, typer.Argument(help="Session id of the visit, as its producer gave it.", metavar="ID")],
    web_url: WebUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one visit that has ended: its class, what happened, what somebody could do.

    Asks a worker.

    Examples:

    - `ubi visit s-42`

    - `ubi session s-42 --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import ask_worker, worker_url  # noqa: PLC0415 - loads asyncpg and aiohttp
    from ubi_stream.terminal.tables import print_json  # noqa: PLC0415 - loads rich's tables

    url = worker_url(server_settings(), web_url)
    found = run_async(ask_worker(url, f"/api/v1/visits/{quote(session_id, safe='')}"))
    if found is None:
        say(f"No visit with the session id {escape(session_id)} has ended: one ends when its user has been silent.")
        raise typer.Exit(1)
    if as_json:
        print_json(found)
    else:
        stdout().print(_one(found))


async def _ask(settings: Settings, web_url: str | None) -> dict[str, Any]:
    from ubi_stream.operations.servers import ask_worker, worker_url  # noqa: PLC0415 - loads asyncpg and aiohttp

    url = worker_url(settings, web_url)
    users, visits = await asyncio.gather(
        ask_worker(url, "/api/v1/segments"), ask_worker(url, "/api/v1/segments/funnel")
    )
    return {"users": users, "visits": visits}


async def _watch(settings: Settings, web_url: str | None, every_s: float) -> None:
    """Show them until Ctrl-C."""
    with Live(console=stdout(), auto_refresh=False) as live:
        while True:
            live.update(_shown(await _ask(settings, web_url)), refresh=True)
            await asyncio.sleep(every_s)


def _shown(found: dict[str, Any]) -> RenderableType:
    from ubi_stream.terminal.tables import clock, table  # noqa: PLC0415 - loads rich's tables

    users, visits = found["users"], found["visits"]
    if not users["distribution"] and not visits["funnel"]:
        return Text("Nobody yet: shares appear as events come in, classes as visits end.")
    shares = table(
        ("segment", "#users", "#share", ""),
        (
            (one["segment"].replace("_", " "), one["count"], f"{one['share']:.0%}", "█" * round(_BAR * one["share"]))
            for one in users["distribution"]
        ),
    )
    parts: list[RenderableType] = [shares]
    if visits["funnel"]:
        heads = ("class of visit", "#visits", "#users", "#views", "#carts", "#bought", "#revenue")
        rows = (
            (
                (one["behavior_segment"] or "none").replace("_", " "),
                one["total_sessions"],
                one["unique_users"],
                one["total_views"],
                one["total_carts"],
                one["total_purchases"],
                f"{one['total_revenue']:,.2f}",
            )
            for one in visits["funnel"]
        )
        span = f"visits that ended {clock(visits['since'])} to {clock(visits['until'])} (UTC)"
        parts += [Text(), Text(span, style="dim"), table(heads, rows, wide=0)]
    return Group(*parts)


def _one(visit: dict[str, Any]) -> RenderableType:
    from ubi_stream.terminal.tables import clock, table  # noqa: PLC0415 - loads rich's tables

    color = visit["segment_color"] or "grey"
    name = (visit["behavior_segment"] or "no class").replace("_", " ")
    head = Text.assemble(
        (visit["user_session"], "bold"), f"  {visit['user_id']}  ", (name, f"bold {_STYLES.get(color, color)}")
    )
    context = (
        ("began (UTC)", clock(visit["session_start"])),
        ("ended (UTC)", clock(visit["session_end"])),
        ("minutes", visit["session_duration_minutes"]),
        ("events", visit["total_events"]),
        ("views, carts, purchases", f"{visit['view_count']}, {visit['cart_count']}, {visit['purchase_count']}"),
        ("different products, categories", f"{visit['unique_products']}, {visit['unique_categories']}"),
        ("money", visit["total_amount"]),
        ("events a minute", visit["engagement_rate"]),
        ("carts of views, %", visit["cart_conversion_rate"]),
        ("purchases of carts, %", visit["purchase_conversion_rate"]),
        ("holds", ", ".join(visit["criteria_met"]) or None),
        ("the user is", (visit["segment"] or "").replace("_", " ") or None),
    )
    advice = [Text(f"- {text}") for text in visit["recommendations"]]
    return Group(head, table(("", ""), context), *advice)
