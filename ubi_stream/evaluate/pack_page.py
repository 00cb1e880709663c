"""The report on a pack as one HTML page with plots: a file that needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from ubi_stream.evaluate.pack_report import CalibrationBin, PackReport
from ubi_stream.metrics.status import ModelReport
from ubi_stream.replay.html_page import html_page, html_table

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; }
svg text { font-size: 11px; fill: currentColor; }
"""
_SIDE: Final = 260
_PAD: Final = 34
_WIDTH: Final = 900
_BAR: Final = 14
_FIGURES: Final = ("n", "positives", "roc_auc", "average_precision", "log_loss", "brier", "calibration_error")
_NAMES: Final = ("labels", "true", "ROC-AUC", "average precision", "log-loss", "Brier", "calibration error")


def pack_page(report: PackReport) -> str:
    """Return the page: outcomes, anomalies, drift, segments, and insights by day."""
    title = f"{report.pack} on {report.file}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{report.events:,} events, as one worker sees them: everything is predicted before it is known.</p>",
        "<h2>Outcomes</h2>",
        *_outcomes(report),
        "<h2>Anomalies</h2>",
        html_table(("entity", "events judged", "alerts", "share", "share wanted", "insights"), _anomalies(report)),
        "<h2>Drift</h2>",
        html_table(("at (UTC)", "severity", "what"), ((_time(d.at_ms), d.severity, d.summary) for d in report.drifts))
        if report.drifts
        else "<p>No drift was reported.</p>",
        "<h2>Segments and visits</h2>",
        html_table(("segment", "times entered"), _counted(report.segments.most_common())),
        html_table(("visit class", "visits"), _counted(report.visit_classes.most_common())),
        "<h2>Insights by day</h2>",
        _days(report),
    ]
    return html_page(title, _STYLE, parts)


def _outcomes(report: PackReport) -> Iterator[str]:
    if not report.outcomes:
        yield "<p>The pack predicts none.</p>"
        return
    rows = ((one.outcome, _serving(one), *_figures(one, "all_time")) for one in report.outcomes)
    yield html_table(("outcome", "model", *_NAMES), rows)
    yield "<h3>Emitted predictions</h3><p>The first of each visit that became an insight, as it was emitted.</p>"
    emitted = ((one.outcome, one.model, *_figures(one, "emitted")) for one in report.outcomes if one.serves)
    yield html_table(("outcome", "model", *_NAMES), emitted)
    for outcome, bins in report.calibration.items():
        yield f"<h3>Calibration of {escape(outcome)}</h3>{_reliability(outcome, bins)}"


def _serving(one: ModelReport) -> str:
    return f"{one.model} (serves)" if one.serves else one.model


def _figures(one: ModelReport, span: str) -> list[str]:
    metrics = one.quality.get(span, {})
    return [_text(metrics.get(name)) for name in _FIGURES]


def _text(value: float | int | None) -> str:
    if value is None:
        return "not known"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _anomalies(report: PackReport) -> Iterator[Sequence[str]]:
    for one in report.anomalies:
        share = f"{one.alerts / one.judged:.2%}" if one.judged else "not known"
        yield one.entity, f"{one.judged:,}", f"{one.alerts:,}", share, f"{one.expected_rate:.2%}", f"{one.insights:,}"


def _reliability(outcome: str, bins: Sequence[CalibrationBin]) -> str:
    """Observed share over predicted probability, with the diagonal; a circle's area is the number of predictions."""
    if not bins:
        return "<p>No prediction has been judged: none of its answers was learned after the warm-up.</p>"
    most = max(one.n for one in bins)
    marks = [
        f'<circle cx="{_PAD + one.predicted * _SIDE:.1f}" cy="{_PAD + (1 - one.observed) * _SIDE:.1f}" '
        f'r="{3 + 9 * (one.n / most) ** 0.5:.1f}" fill="#2a6fdb" fill-opacity=".7">'
        f"<title>predicted {one.predicted:.3f}, came true {one.observed:.3f}, {one.n:,} predictions</title></circle>"
        for one in bins
    ]
    size = _SIDE + 2 * _PAD
    rows = ((f"{b.predicted:.3f}", f"{b.observed:.3f}", f"{b.n:,}") for b in bins)
    return (
        f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" '
        f'aria-label="Calibration of {escape(outcome)}: the table has the figures">'
        f'<rect x="{_PAD}" y="{_PAD}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="currentColor"/>'
        f'<line x1="{_PAD}" y1="{_PAD + _SIDE}" x2="{_PAD + _SIDE}" y2="{_PAD}" stroke="currentColor" '
        f'stroke-dasharray="4"/>{"".join(marks)}'
        f'<text x="{_PAD}" y="{size - 10}">predicted 0 to 1</text>'
        f'<text x="{_PAD}" y="{_PAD - 10}">came true</text></svg>'
    ) + html_table(("predicted", "came true", "predictions"), rows)


def _days(report: PackReport) -> str:
    """One bar for each day; hovering shows its kinds."""
    by_day: dict[int, list[tuple[str, int]]] = {}
    for (day, kind), n in sorted(report.insights_by_day.items()):
        by_day.setdefault(day, []).append((kind, n))
    if not by_day:
        return "<p>No insights.</p>"
    most = max(sum(n for _, n in kinds) for kinds in by_day.values())
    bars, rows = [], []
    for place, (day, kinds) in enumerate(by_day.items()):
        total, date = sum(n for _, n in kinds), _time(day * 86_400_000)[:10]
        bars.append(
            f'<text x="0" y="{place * _BAR + 11}">{date}</text><rect x="80" y="{place * _BAR + 2}" '
            f'width="{(_WIDTH - 140) * total / most:.1f}" height="{_BAR - 4}" fill="#2a6fdb"/>'
            f'<text x="{86 + (_WIDTH - 140) * total / most:.1f}" y="{place * _BAR + 11}">{total:,}</text>'
        )
        rows.append((date, ", ".join(f"{n:,} {kind}" for kind, n in kinds)))
    height = len(by_day) * _BAR
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
        f'aria-label="Insights by day: the table has the figures">{"".join(bars)}</svg>'
    ) + html_table(("day", "insights"), rows)


def _counted(rows: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    return ((name, f"{n:,}") for name, n in rows)


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
