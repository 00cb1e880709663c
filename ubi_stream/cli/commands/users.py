"""`ubi users`, `ubi user`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from ubi_stream.cli.options import AsJson, Dsn, Limit, WebUrl
from ubi_stream.terminal.console import run_async, say, stdout


def users(
    segment: Annotated[
        str | None, typer.Option("--segment", help="Users of this segment alone.", show_default=False)
    ] = None,
    limit: Limit = 20,
    dsn: Dsn = None,
    as_json: AsJson = False,
) -> None:
    """List the users whose visits ended last: segment, newest visit, visits and money of 30 days.

    Reads Postgres.

    Examples:

    - `ubi users`

    - `ubi users --segment at_risk --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import ask_database  # noqa: PLC0415 - loads asyncpg
    from ubi_stream.sinks.user_queries import newest_users  # noqa: PLC0415 - as above
    from ubi_stream.terminal.tables import clock, print_json, table  # noqa: PLC0415 - loads rich's tables

    settings = server_settings(dsn=dsn)
    found = run_async(ask_database(settings, lambda database: newest_users(database, segment=segment, limit=limit)))
    if as_json:
        print_json(found)
    elif found:
        heads = ("user", "segment", "newest visit", "ended (UTC)", "#visits 30d", "#spent 30d")
        rows = (
            (one.user_id, one.segment, one.visit_class, clock(one.last_visit_end), one.visits_30d, one.amount_30d)
            for one in found
        )
        stdout().print(table(heads, rows, wide=0))
    else:
        say(f"No user of segment {segment}." if segment else "None yet: users appear as their first visit ends.")


def user(
    user_id: Annotated[str, typer.Argument(help="Id of the user.", metavar="ID")],
    dsn: Dsn = None,
    web_url: WebUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known about a user: segment, risk, newest visit, windows, habits, newest insights.

    Asks a worker for the profile, and Postgres for the insights.

    Examples:

    - `ubi user u-1`

    - `ubi user u-1 --json`
    """
    from ubi_stream.operations.background import server_settings  # noqa: PLC0415 - loads psutil
    from ubi_stream.operations.servers import (  # noqa: PLC0415 - loads asyncpg and aiohttp
        ask_database,
        ask_worker,
        entity_path,
        worker_url,
    )
    from ubi_stream.sinks.queries import insights_of  # noqa: PLC0415 - as above
    from ubi_stream.terminal.tables import print_json  # noqa: PLC0415 - loads rich's tables

    settings = server_settings(dsn=dsn)
    profile = run_async(ask_worker(worker_url(settings, web_url), entity_path(user_id)))
    if profile is None:
        say(
            f"Nothing is known about the user {escape(user_id)}: no event of theirs came, or they were forgotten. "
            "`ubi users` lists those there are, and `ubi status` whether events wait."
        )
        raise typer.Exit(1)
    page = run_async(ask_database(settings, lambda database: insights_of(database, user_id, limit=5)))
    if as_json:
        print_json({"profile": profile, "insights": page.insights})
        return
    _show(profile)
    if page.insights:
        from ubi_stream.operations.reading import insight_heads, insight_row  # noqa: PLC0415 - loads aiokafka
        from ubi_stream.terminal.tables import table  # noqa: PLC0415 - as above

        stdout().print()
        stdout().print(table(insight_heads(), map(insight_row, page.insights)))


def _show(profile: dict[str, Any]) -> None:
    from ubi_stream.terminal.tables import clock, table  # noqa: PLC0415 - loads rich's tables

    out, segment, risk = stdout(), profile["segment"], profile.get("risk")
    out.print(f"[bold]{escape(profile['id'])}[/]  first seen {clock(profile['first_seen'])}, "
              f"last {clock(profile['last_seen'])} (UTC)")  # fmt: skip
    if merged := profile.get("identities"):
        out.print(f"also      {escape(', '.join(one['id'] for one in merged))}")
    if segment:
        out.print(f"segment   {segment['name']}, since {clock(segment['since'])}")
    if risk:
        out.print(f"risk      {risk['level'].replace('_', ' ')}")
        for one in risk["dimensions"]:
            if one["holds"]:
                out.print(f"          {escape(one['summary'] or one['name'])}")
        for one in risk["others"]:
            out.print(f"          {one['rule'].replace('_', ' ')}, since {clock(one['since'])}")
    if (visit := profile["latest_session"]) is not None:
        minutes = visit["duration_s"] / 60
        out.print(f"visit     {visit['events']} events in {minutes:.1f} minutes, last at {clock(visit['last_at'])}")
    favourites = list(profile["categories"])[:3]
    if favourites:
        out.print(f"looks at  {escape(', '.join(favourites))}")
    out.print()
    rows = ((name, one["events"], f"{one['amount']:.2f}") for name, one in profile["windows"].items())
    out.print(table(("window", "#events", "#money"), rows, wide=0))
