"""The `ubi` command: every subcommand, and what an error looks like to a person."""

from __future__ import annotations

from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from ubi_stream import __version__
from ubi_stream.cli.commands import (
    backup,
    config,
    connect,
    dead_letters,
    demo,
    doctor,
    erase,
    evaluate,
    generate,
    insights,
    keys,
    label,
    mapping,
    migrate,
    pack,
    privacy,
    repartition,
    replay,
    retention,
    segments,
    serve,
    status,
    topics,
    try_file,
    up,
    users,
    worker,
)
from ubi_stream.errors import UbiError
from ubi_stream.terminal.console import say


class _Group(TyperGroup):
    """Turns what is wrong in the world around us into one sentence and an exit status.

    A mistake in the program itself still ends with a traceback: that is what a bug report needs.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UbiError as error:
            say(f"[bold red]error:[/] {escape(str(error))}")
            raise typer.Exit(error.exit_code) from error


app = typer.Typer(
    name="ubi",
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # it would print local variables, and with them passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ubi-stream {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    """User-behaviour intelligence: explained per-user insights from a stream of events.

    Start with `ubi demo`. Settings come from `UBI_…` environment variables or a `.env` file: `ubi config` lists them.
    """


_FIRST, _RUN, _KEEP, _LOOK = "Try it", "Run it", "Keep it", "Look into it"
app.command("try", rich_help_panel=_FIRST)(try_file.try_file)
app.command("demo", rich_help_panel=_FIRST)(demo.demo)
app.command("up", rich_help_panel=_FIRST)(up.up)
app.command("down", rich_help_panel=_FIRST)(up.down)
app.command("generate", rich_help_panel=_FIRST)(generate.generate)
app.command("replay", rich_help_panel=_FIRST)(replay.replay)
app.command("worker", rich_help_panel=_RUN)(worker.worker)
app.command("connect", rich_help_panel=_RUN)(connect.connect)
app.command("serve", rich_help_panel=_RUN)(serve.serve)
app.command("topics", rich_help_panel=_RUN)(topics.topics)
app.command("migrate", rich_help_panel=_RUN)(migrate.migrate)
app.command("backup", rich_help_panel=_KEEP)(backup.backup)
app.command("restore", rich_help_panel=_KEEP)(backup.restore)
app.command("repartition", rich_help_panel=_KEEP)(repartition.repartition)
app.command("erase", rich_help_panel=_KEEP)(erase.erase)
app.command("status", rich_help_panel=_LOOK)(status.status)
app.command("insights", rich_help_panel=_LOOK)(insights.insights)
app.command("users", rich_help_panel=_LOOK)(users.users)
app.command("user", rich_help_panel=_LOOK)(users.user)
app.command("segments", rich_help_panel=_LOOK)(segments.segments)
app.command("visit", rich_help_panel=_LOOK)(segments.visit)
app.command("session", rich_help_panel=_LOOK, short_help="The same as `visit`.")(segments.visit)
app.command("dead-letters", rich_help_panel=_LOOK)(dead_letters.dead_letters)
app.command("config", rich_help_panel=_LOOK)(config.config)
app.command("doctor", rich_help_panel=_LOOK)(doctor.doctor)
app.command("label", rich_help_panel=_LOOK)(label.label)
app.command("evaluate", rich_help_panel=_LOOK)(evaluate.evaluate)
app.add_typer(keys.app, name="keys", rich_help_panel=_KEEP)
app.add_typer(privacy.app, name="privacy", rich_help_panel=_KEEP)
app.add_typer(retention.app, name="retention", rich_help_panel=_KEEP)
app.add_typer(mapping.app, name="mapping", rich_help_panel=_LOOK)
app.add_typer(pack.app, name="pack", rich_help_panel=_LOOK)


def main() -> None:
    """Run the command line."""
    app(prog_name="ubi")


if __name__ == "__main__":
    main()
