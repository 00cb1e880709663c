"""A pack judged on a file of events: outcomes, anomalies, drift and segments, as a worker would have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final

import msgspec
import numpy as np

from ubi_stream.clock import Clock
from ubi_stream.data.source import ReplaySource
from ubi_stream.insights.model import InsightKind
from ubi_stream.insights.visits import VisitRecord
from ubi_stream.insights.windows import NO_CLASS
from ubi_stream.metrics.status import ModelReport
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings

_DAY_MS: Final = 86_400_000
_SAY_EVERY: Final = 50


class CalibrationBin(msgspec.Struct, frozen=True):
    """Predictions with probabilities in one tenth: their number, mean, and the share of them that came true."""

    n: int
    predicted: float
    observed: float


class DriftLine(msgspec.Struct, frozen=True):
    """A drift insight."""

    at_ms: int
    severity: str
    summary: str


class AnomalyFigures(msgspec.Struct, frozen=True):
    """How often a kind of entity alerted.

    Attributes
    ----------
    judged, alerts
        Events with a score and a threshold, and those above it.
    expected_rate
        Share of the events that should alert, as the pack says.
    insights
        Alerts that became insights.
    """

    entity: str
    judged: int
    alerts: int
    expected_rate: float
    insights: int


@dataclass(slots=True)
class PackReport:
    """What a pack made of a file.

    Attributes
    ----------
    outcomes
        Models of outcomes over all partitions; those that serve first.
    calibration
        By outcome, of the model that serves: tenths of the probability that have predictions.
    anomalies, drifts
        Alerts by kind of entity, and every drift insight.
    segments
        Entries into each segment.
    visit_classes
        Visits that ended, by class.
    insights_by_day
        Insights by UTC day (days since 1970) and kind.
    """

    file: str
    pack: str
    events: int = 0
    outcomes: list[ModelReport] = field(default_factory=list)
    calibration: dict[str, list[CalibrationBin]] = field(default_factory=dict)
    anomalies: list[AnomalyFigures] = field(default_factory=list)
    drifts: list[DriftLine] = field(default_factory=list)
    segments: Counter[str] = field(default_factory=Counter)
    visit_classes: Counter[str] = field(default_factory=Counter)
    insights_by_day: Counter[tuple[int, str]] = field(default_factory=Counter)


def judge_pack(
    source: ReplaySource,
    name: str,
    *,
    pack: Pack,
    settings: Settings,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda events: None,
) -> PackReport:
    """Run a file through a pack, and judge what it predicted by what came.

    Parameters
    ----------
    name
        Of the file, for the report.
    on_progress
        Called now and then with the number of events so far.

    Raises
    ------
    ConfigError
        The file turns out to be damaged.
    """
    run = OfflineRun(pack, settings, now_ms=clock.now_ms())
    report = PackReport(name, pack.name)
    alerted: Counter[str] = Counter()
    for batch, effects in enumerate(run.run(source)):
        for insight in effects.insights:
            report.insights_by_day[insight.at_ms // _DAY_MS, insight.kind.value] += 1
            if insight.kind is InsightKind.DRIFT:
                line = DriftLine(insight.at_ms, insight.severity.value, insight.explanation.summary)
                report.drifts.append(line)
            elif insight.kind is InsightKind.SEGMENT:
                report.segments[insight.label or NO_CLASS] += 1
            elif insight.kind is InsightKind.ANOMALY:
                alerted[insight.entity] += 1
        for visit in effects.visits:
            if isinstance(visit, VisitRecord) and not visit.revised:
                report.visit_classes[visit.behavior_segment or NO_CLASS] += 1
        if batch % _SAY_EVERY == 0:
            on_progress(run.tally.accepted.total())
    report.events = run.tally.accepted.total()
    together = [one for one in run.model_reports() if one.outcome and one.partition is None]
    report.outcomes = sorted(together, key=lambda one: (one.outcome, -one.serves))
    report.anomalies = _anomalies(run, pack, alerted)
    report.calibration = _calibration(run, pack, settings.partitions)
    return report


def as_document(report: PackReport) -> dict[str, Any]:
    """Return the report in plain values: days as dates."""
    days: dict[str, dict[str, int]] = {}
    for (day, kind), n in sorted(report.insights_by_day.items()):
        days.setdefault(str(np.datetime64(day, "D")), {})[kind] = n
    return {one.name: getattr(report, one.name) for one in fields(report)} | {"insights_by_day": days}


def _anomalies(run: OfflineRun, pack: Pack, alerted: Counter[str]) -> list[AnomalyFigures]:
    rate = pack.models.anomaly.alert_rate if pack.models.anomaly else 0.0
    found: dict[str, AnomalyFigures] = {}
    for one in run.detector_reports():
        before = found.get(one.entity, AnomalyFigures(one.entity, 0, 0, rate, alerted[one.entity]))
        found[one.entity] = msgspec.structs.replace(
            before, judged=before.judged + one.judged, alerts=before.alerts + one.alerts
        )
    return list(found.values())


def _calibration(run: OfflineRun, pack: Pack, partitions: int) -> dict[str, list[CalibrationBin]]:
    found: dict[str, list[CalibrationBin]] = {}
    panels = [
        panel
        for entity in pack.entities
        for number in range(partitions)
        for panel in run.partition(entity.name, number).models.outcomes.panels.values()
    ]
    for name in dict.fromkeys(panel.outcome for panel in panels):
        sums = [p.serving.quality.tallies()["all_time"].calibration_bins() for p in panels if p.outcome == name]
        n, predicted, observed = np.sum(sums, axis=0)
        found[name] = [
            CalibrationBin(int(n[i]), float(predicted[i] / n[i]), float(observed[i] / n[i])) for i in np.flatnonzero(n)
        ]
    return found
