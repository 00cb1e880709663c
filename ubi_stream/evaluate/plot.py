"""A learning curve as a picture. Needs matplotlib: the extra `plots`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.progressive import Run

_LINES = {
    "classification": ("accuracy", "roc_auc", "majority_accuracy", "last_class_accuracy"),
    "anomaly": ("roc_auc", "average_precision"),
}


def require_matplotlib() -> None:
    """Make sure that a picture can be drawn, before a long run.

    Raises
    ------
    ConfigError
        It can't.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError("a learning curve needs matplotlib: pip install 'ubi-stream[plots]'")


def save_curve(run: Run, path: Path, title: str) -> None:
    """Draw how the metrics of all examples so far went, and write it to a file.

    Parameters
    ----------
    path
        Its ending is the format: PNG, SVG, PDF.

    Raises
    ------
    ConfigError
        The file can't be written, or there is no such format.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra; without global state
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    curve = run.curve()
    for name in _LINES[run.task]:
        points = [(place, metrics.get(name)) for place, metrics in curve]
        known = [(place, value) for place, value in points if value is not None]
        axes.plot(*zip(*known, strict=True), label=name.replace("_", " ")) if known else None
    axes.set(title=title, xlabel="examples", ylabel="all so far")
    axes.grid(alpha=0.3)
    axes.legend()
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the learning curve can't be written to {path}: {error}") from error
