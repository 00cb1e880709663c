"""`ubi evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from ubi_stream.cli.options import MappingName, PackName, mapping_for
from ubi_stream.clock import SystemClock
from ubi_stream.data.source import ReplaySource
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.judged_choices import judge_choices
from ubi_stream.operations.background import server_settings
from ubi_stream.packs.loader import load_pack
from ubi_stream.terminal.configured import pack_for
from ubi_stream.terminal.console import say, stdout
from ubi_stream.terminal.progress import progress_bar

if TYPE_CHECKING:
    from ubi_stream.evaluate.datasets import Dataset
    from ubi_stream.evaluate.pack_report import PackReport
    from ubi_stream.evaluate.progressive import Run

_WORDS = {"n": "examples", "us_per_event": "µs per example", "f1": "F1", "roc_auc": "ROC-AUC"}


def evaluate(
    file: Annotated[
        Path | None,
        typer.Argument(help="Events, to judge a whole pack by.", show_default=False),
    ] = None,
    mapping: MappingName = None,
    pack: PackName = None,
    html: Annotated[
        Path | None, typer.Option(help="With a file of events: write the report as a page with plots.", metavar="FILE")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Name of a set, or path of a file.", metavar="NAME|FILE")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Name of a model, or dotted names of River joined by |.", metavar="NAME"),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the label; a file needs it.", metavar="COLUMN")] = None,
    positive: Annotated[
        str | None, typer.Option(help="The label that counts as True. Default: 1, true, yes.", metavar="VALUE")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Columns to use, separated by commas. Default: all others.", metavar="A,B,C")
    ] = None,
    delay: Annotated[float, typer.Option(help="Seconds after which a label is known.", min=0.0)] = 0.0,
    time: Annotated[str | None, typer.Option(help="Column of the time in seconds, for --delay.")] = None,
    task: Annotated[
        Literal["classification", "anomaly"] | None, typer.Option(help="Default: what the model is for.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the named sets' files. Default: ../shared/data.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first rows.", min=1)] = None,
    warm_up: Annotated[int, typer.Option(help="Leave out predictions made on fewer labels.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the model.")] = 1,
    plot: Annotated[
        Path | None, typer.Option(help="Write the learning curve to this PNG; needs the extra `plots`.")
    ] = None,
    bandit: Annotated[
        Path | None,
        typer.Option(
            help="Judge ways of choosing by a log of choices: columns arm, propensity, reward, and a context; or the "
            "recommendations topic as .jsonl."
        ),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(help="With --bandit and insights: whose recommendations.", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge a model by progressive validation: each example is scored before it is learned.

    With a file of events it judges a whole pack instead: outcomes, anomalies, drift and segments, as a worker would
    have been. Without --dataset or --model it lists what there is by name. `docs/evaluate.md` says what the figures
    mean.

    Examples:

    - `ubi evaluate --dataset phishing --model fast`

    - `ubi evaluate events.csv.gz --mapping rees46 --pack ecommerce --html report.html`

    - `ubi evaluate --dataset shuttle --model anomalies --json`

    - `ubi evaluate --dataset smtp --model ecommerce/anomalies`

    - `ubi evaluate --dataset visits.csv --model fast --label bought --positive yes --features depth,minutes`

    - `ubi evaluate --bandit choices.csv --model LinUCBDisjoint`

    - `ubi evaluate --bandit recommendations.jsonl --segment at_risk`

    - `ubi evaluate --dataset rees46 --model ecommerce/buys_in_visit/panel --warm-up 200`

    - `ubi evaluate --dataset phishing --model "preprocessing.StandardScaler | linear_model.PAClassifier(C=0.1)"`
    """
    from ubi_stream.evaluate.datasets import DATA_DIR, DATASETS, LabelledFile, load_dataset, load_file  # noqa: PLC0415 - takes long
    from ubi_stream.evaluate.panel import make_registered, numeric_columns  # noqa: PLC0415 - as above
    from ubi_stream.evaluate.plot import require_matplotlib, save_curve  # noqa: PLC0415 - as above
    from ubi_stream.evaluate.progressive import progressive  # noqa: PLC0415 - loads numpy
    from ubi_stream.models.catalogue import make_model  # noqa: PLC0415 - loads River
    from ubi_stream.models.common.river_models import task_of  # noqa: PLC0415 - as above

    if file is not None:
        _judge_pack(file, mapping, pack, html, as_json=as_json)
        return
    if mapping or pack or html:
        raise ConfigError("--mapping, --pack and --html go with a file of events: ubi evaluate FILE --mapping NAME")
    if bandit is not None:
        judge_choices(bandit, model, segment, as_json=as_json)
        return
    if dataset is None or model is None:
        _list_names()
        return
    if plot is not None:
        require_matplotlib()
    registered = make_registered(model, ("any",), seed=seed)
    able = registered.task if registered is not None else task_of(make_model(model, seed))
    task = task or able
    if dataset in DATASETS:
        if label or positive or features or time or delay:
            raise ConfigError("--label, --positive, --features, --delay and --time go with a file only")
        chosen = load_dataset(dataset, data or DATA_DIR, limit=limit)
    elif label is None:
        raise ConfigError(f"no dataset {dataset!r}: expected one of {', '.join(DATASETS)}; a file needs --label")
    else:
        columns = tuple(features.split(",")) if features else None
        chosen = load_file(Path(dataset), LabelledFile(label, positive, columns, delay, time, task), limit=limit)
    if chosen.task != able:
        raise ConfigError(f"{chosen.name} is for {chosen.task}, {model} is for {able}")
    fresh = make_registered(model, numeric_columns(chosen), seed=seed) if registered else None
    fresh = fresh or make_model(model, seed, at_once=chosen.at_once)
    run = progressive(chosen.examples, fresh, chosen.task).after(max(warm_up, chosen.warm_up))
    if plot is not None:
        save_curve(run, plot, f"{model} on {chosen.name}")
    _show(chosen, model, seed, run, as_json=as_json)


def _judge_pack(file: Path, mapping: str | None, pack_name: str | None, html: Path | None, *, as_json: bool) -> None:
    from ubi_stream.evaluate.pack_page import pack_page  # noqa: PLC0415 - loads the models
    from ubi_stream.evaluate.pack_report import as_document, judge_pack  # noqa: PLC0415 - as above

    settings = server_settings(pack=pack_name)
    with ReplaySource(file, mapping_for(file, mapping), sort=True, key=settings.hash_key) as source:
        settings = pack_for(settings, source.mapping.pack)
        pack = load_pack(settings.pack, nobody=settings.nobody)
        with progress_bar(source.total_bytes) as bar:
            report = judge_pack(
                source,
                file.name,
                pack=pack,
                settings=settings,
                clock=SystemClock(),
                on_progress=lambda events: bar.move(source.bytes_read, f"{events:,} events"),
            )
    if html is not None:
        try:
            html.write_text(pack_page(report), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"the report can't be written to {html}: {error}") from error
    if as_json:
        typer.echo(msgspec.json.encode(as_document(report)))
    else:
        _show_pack(report)


def _show_pack(report: PackReport) -> None:
    table = Table("outcome", "model", "labels", "ROC-AUC", "log-loss", "calibration error", box=None, pad_edge=False)
    for one in report.outcomes:
        metrics = one.quality.get("all_time", {})
        figures = (metrics.get(name) for name in ("n", "roc_auc", "log_loss", "calibration_error"))
        table.add_row(one.outcome, one.model + (" (serves)" if one.serves else ""), *map(_text, figures))
    stdout().print(table)
    for anomalies in report.anomalies:
        say(f"{anomalies.alerts:,} of {anomalies.judged:,} judged events of a {anomalies.entity} alerted")
    say(f"{len(report.drifts):,} drift insights, {report.segments.total():,} entries into segments")


def _show(dataset: Dataset, model: str, seed: int, run: Run, *, as_json: bool) -> None:
    figures: dict[str, Any] = {"dataset": dataset.name, "model": model, "task": run.task, "seed": seed}
    figures |= run.metrics() | {"us_per_event": round(run.us_per_event, 1)}
    if as_json:
        typer.echo(msgspec.json.encode(figures))
        return
    table = Table("figure", "value", box=None, pad_edge=False, header_style="bold")
    for name, value in figures.items():
        table.add_row(_WORDS.get(name, name.replace("_", " ")), escape(_text(value)))
    stdout().print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _list_names() -> None:
    from ubi_stream.evaluate.datasets import DATASETS  # noqa: PLC0415 - takes long
    from ubi_stream.evaluate.panel import names  # noqa: PLC0415 - loads River
    from ubi_stream.models.catalogue import MODELS  # noqa: PLC0415 - as above

    table = Table("dataset", "what it is", box=None, pad_edge=False, header_style="bold")
    for name, text in DATASETS.items():
        table.add_row(name, escape(text))
    stdout().print(table)
    table = Table("\nmodel", "\nwhat it is", box=None, pad_edge=False, header_style="bold")
    for name, (text, _) in MODELS.items():
        table.add_row(name, escape(text))
    for name, text in names().items():
        if name not in MODELS:
            table.add_row(name, escape(text))
    stdout().print(table)
    say("\nName both: ubi evaluate --dataset NAME --model NAME")
