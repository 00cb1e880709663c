"""`ubi doctor`."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ubi_stream.cli.options import Broker, Dsn
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.operations.doctor.finding import Finding, Status, fail
from ubi_stream.operations.doctor.machine import check_machine
from ubi_stream.terminal.configured import load_settings
from ubi_stream.terminal.console import run_async, stdout

_STYLE = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither Kafka nor Postgres.")] = False,
    broker: Broker = None,
    dsn: Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object for each check.")] = False,
) -> None:
    """Check Python, Java, ports, disk, settings, Kafka, topics, Postgres, tables and clocks, and say what to do.

    Ends with status 1 if a check says FAIL: a worker could not run. WARN is worth a look.

    Examples:

    - `ubi doctor`

    - `UBI_BROKER=kafka:9092 ubi doctor --json`
    """
    findings = _examine(broker, dsn, offline=offline)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        stdout().print(_table(findings))
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


def _examine(broker: str | None, dsn: str | None, *, offline: bool) -> list[Finding]:
    try:
        settings = load_settings(broker=broker, postgres_dsn=dsn)
    except ConfigError as error:
        return [fail("settings", str(error), "correct it: without settings nothing else can be checked")]
    findings = check_machine(settings, os.environ)
    if not offline:
        from ubi_stream.operations.doctor.servers import check_servers  # noqa: PLC0415 - loads aiokafka

        findings += run_async(check_servers(settings, SystemClock()))
    return findings


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        text = escape(finding.found) + (f"\n[dim]do:[/] {escape(finding.advice)}" if finding.advice else "")
        table.add_row(f"[{_STYLE[finding.status]}]{finding.status}[/]", finding.check, text)
    return table
