"""`ubi pack list`, `ubi pack show`, `ubi pack check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from ubi_stream.errors import ConfigError
from ubi_stream.packs.base import Model
from ubi_stream.packs.declared import MAX_DECLARED, DeclaredFeature
from ubi_stream.packs.loader import load_pack, shipped_overlays, shipped_packs
from ubi_stream.packs.schema import Pack
from ubi_stream.packs.segments import Condition
from ubi_stream.terminal.console import counted, say, stdout

if TYPE_CHECKING:
    from ubi_stream.evaluate.declared_cost import DeclaredCost
    from ubi_stream.evaluate.pack_checks import CandidateTrial

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="List, show and check packs.")

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_packs(as_json: _AsJson = False) -> None:
    """List the packs that come with the product.

    Example: `ubi pack list`
    """
    packs = {name: load_pack(name) for name in sorted(shipped_packs() | shipped_overlays())}
    if as_json:
        rows = [
            {"name": name, "version": pack.version, "description": pack.description} for name, pack in packs.items()
        ]
        typer.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    table = Table("pack", "version", "what it is for", box=None, pad_edge=False, header_style="bold")
    for name, pack in packs.items():
        table.add_row(name, str(pack.version), escape(pack.description))
    stdout().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a shipped pack, or path of a pack file.")],
    as_json: _AsJson = False,
) -> None:
    """Show a pack: events, features, segments, risks, models.

    Examples:

    - `ubi pack show ecommerce`

    - `ubi pack show my_pack.toml --json`
    """
    pack = load_pack(name)
    if as_json:
        typer.echo(pack.model_dump_json(indent=2))
    else:
        stdout().print(_picture(pack))


@app.command("check")
def check(
    name: Annotated[
        str, typer.Argument(help="Name of a shipped pack, or path of a pack file.", metavar="PACK", show_default=False)
    ],
) -> None:
    """Check a pack as a worker would at its start, and print what is wrong: key, value, what was expected.

    Invented events go through its features, and each of its candidates is made, put to River's checks and ours, and
    measured. Ends with status 0 if a worker can run it, 64 if not. `ubi pack show` prints what is in it.

    Examples:

    - `ubi pack check my_pack.toml`

    - `ubi pack check ecommerce`
    """
    from ubi_stream.evaluate.declared_cost import declared_costs  # noqa: PLC0415 - loads numpy
    from ubi_stream.evaluate.pack_checks import try_pack  # noqa: PLC0415 - loads River
    from ubi_stream.features.dry_run import try_features  # noqa: PLC0415 - loads numpy
    from ubi_stream.features.stage import Featurizer  # noqa: PLC0415 - as above
    from ubi_stream.packs.plan import compile_plan  # noqa: PLC0415 - as above

    pack = load_pack(name)
    for entity in pack.entities:
        try:
            plan = compile_plan(pack, entity.name)
            featurizer = Featurizer(plan)
            try_features((*featurizer.features, *featurizer.rule_features), plan)
        except ConfigError as error:
            raise ConfigError(f"pack {name} is wrong: entities.{entity.name}.features, or rules: {error}") from error
    try:
        tried = list(try_pack(pack))
    except ConfigError as error:
        raise ConfigError(f"pack {name} is wrong: models.candidates: {error}") from error
    stdout().print(_verdicts(pack, tried))
    if pack.features:
        stdout().print(_declared_costs(list(declared_costs(pack))))
    if tried:
        stdout().print(_candidates(tried))
    unfit = [f"{one.candidate.name}: {problem}" for one in tried for problem in one.vetted.problems]
    if unfit:
        raise ConfigError(f"pack {name} has candidates that are not fit to run: {'; '.join(unfit)}")
    say(f"[green]OK[/]: {escape(name)} is a pack that a worker can run")


def _picture(pack: Pack) -> Group:
    """A pack on one screen."""
    head = f"[bold]{pack.name}[/] version {pack.version}: {escape(pack.description)}"
    events = f"\n[bold]events[/]  {', '.join(pack.events.types)}; unknown ones: {pack.events.unknown}"
    return Group(head, events, *_features(pack), *_declared(pack), _segments(pack), _rules(pack), _models(pack))


def _features(pack: Pack) -> list[str]:
    return [
        f"\n[bold]features of the {entity.name}[/] ({entity.windows} windows"
        + (f", keyed by {entity.key}" if entity.key else "")
        + f")  {', '.join(entity.features)}"
        for entity in pack.entities
    ]


def _declared(pack: Pack) -> list[Table]:
    if not pack.features:
        return []
    table = Table("declared feature", "of", "what", "window", box=None, pad_edge=False)
    for one in pack.features:
        table.add_row(one.name, ", ".join(one.entities), escape(_counted(one)), one.window)
    return [_titled(table, "declared features")]


def _counted(one: DeclaredFeature) -> str:
    """What a declared feature counts: `sum of price, of purchase where gift == True`."""
    conditions = " and ".join(f"{where.property} {where.op} {_shown(where.value)}" for where in one.where)
    return (
        one.kind
        + (f" of {one.property}" if one.property else "")
        + (f", of {', '.join(one.counted)}" if one.counted else "")
        + (f" where {conditions}" if conditions else "")
    )


def _segments(pack: Pack) -> Table:
    table = Table("segment", "when", "recommendation", "priority", title_justify="left", box=None, pad_edge=False)
    for segment in pack.segments:
        when = f"silent for {pack.times.dormant_after_days:g} days" if segment.silent else _conditions(segment.when)
        table.add_row(
            segment.name,
            escape(when or "everybody else"),
            escape("\n".join(f"{advice.action}: {advice.text}" for advice in segment.advice)),
            "\n".join(str(advice.priority) for advice in segment.advice),
        )
    return _titled(table, "segments, the first that fits")


def _rules(pack: Pack) -> Table:
    table = Table("risk", "when", "severity", box=None, pad_edge=False)
    for rule in pack.rules:
        table.add_row(rule.name, escape("\nor ".join(map(_conditions, rule.ways))), rule.severity)
    return _titled(table, "risks")


def _models(pack: Pack) -> Table:
    table = Table("model", "parameters", box=None, pad_edge=False)
    for name, part in pack.models:
        for one in part if isinstance(part, tuple) else (part,):
            if one is not None:
                table.add_row(name, escape(_shown(one)))
    return _titled(table, "models")


def _verdicts(pack: Pack, tried: list[CandidateTrial]) -> Table:
    """Each part of a pack, whether it is fine, and what was looked at."""
    table = Table("part", "verdict", "what was checked", box=None, pad_edge=False, header_style="bold")
    fine, entities = "[green]fine[/]", len(pack.entities)
    features = sum(len(entity.features) for entity in pack.entities)
    table.add_row("keys", fine, "each is known, and its value is of the right kind and size")
    table.add_row("features", fine, f"{features} of {counted(entities, 'kind')} of entity, run on invented events")
    table.add_row(
        "conditions", fine, f"of {counted(len(pack.segments), 'segment')} and {counted(len(pack.rules), 'risk')}"
    )
    if pack.features:
        table.add_row("declared features", fine, f"{len(pack.features)} of {MAX_DECLARED}: measured on this machine")
    if tried:
        unfit, dear = sum(map(_is_unfit, tried)), sum(map(_is_dear, tried))
        word = f"[bold red]{unfit} unfit[/]" if unfit else f"[yellow]fine, {dear} dear[/]" if dear else fine
        table.add_row(
            "candidates", word, f"{counted(len(tried), 'model')}: made, checked, and measured on this machine"
        )
    return table


def _declared_costs(costs: list[DeclaredCost]) -> Table:
    """What declared features cost, and what all of an entity's come to: those that count the same are kept once."""
    table = Table("of", "feature", "kind", "window", "bytes", "µs an event", box=None, pad_edge=False)
    for entity in dict.fromkeys(one.entity for one in costs):
        own = [one for one in costs if one.entity == entity]
        for one in own:
            feature = one.feature
            figures = (f"{one.state_bytes:,}", f"{one.us_per_event:.1f}")
            table.add_row(entity, feature.name, feature.kind, feature.window, *figures)
        kept = {one.key: one.state_bytes for one in own}
        total = sum(one.us_per_event for one in own)
        table.add_row(entity, "[bold]together, at most[/]", "", "", f"{sum(kept.values()):,}", f"{total:.1f}")
    return _titled(table, "declared features, of an entity with 2,000 events in each window")


def _is_unfit(one: CandidateTrial) -> bool:
    return bool(one.vetted.problems)


def _is_dear(one: CandidateTrial) -> bool:
    """Whether it takes more time than it was given: no reason to refuse it, another machine may be faster."""
    return not _is_unfit(one) and one.us_per_event > one.candidate.budget_us


def _candidates(tried: list[CandidateTrial]) -> Table:
    table = Table("for", "model", "µs an event", "budget", "snapshot", "verdict", box=None, pad_edge=False)
    for one in tried:
        candidate, vetted = one.candidate, one.vetted
        verdict = "dearer than its budget on this machine" if _is_dear(one) else "fine"
        table.add_row(
            candidate.outcome if candidate.task == "classification" else candidate.task,
            candidate.name,
            "-" if vetted.problems else f"{one.us_per_event:.0f}",
            f"{candidate.budget_us:g}",
            "-" if vetted.problems else f"{vetted.snapshot_bytes / 1000:.0f} kB",
            escape("; ".join(vetted.problems) or verdict),
        )
    return _titled(table, "candidates, tried on invented events")


def _shown(value: object) -> str:
    if isinstance(value, Model):
        return ", ".join(f"{key} = {_shown(part)}" for key, part in value)
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return "; ".join(map(_shown, value)) or "none"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _titled(table: Table, title: str) -> Table:
    table.title, table.title_justify, table.header_style = f"\n[bold]{title}[/]", "left", "dim"
    return table


def _conditions(conditions: tuple[Condition, ...]) -> str:
    return " and ".join(f"{condition.feature} {condition.op} {condition.value:g}" for condition in conditions)
