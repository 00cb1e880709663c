"""What a worker's models say about themselves: by partition, and all partitions together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from ubi_stream.metrics.status import ANOMALY, BANDIT, DRIFT, DetectorReport, ModelReport
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.quality import QualitySums, RollingQuality, merged
from ubi_stream.models.stage import PartitionModels

Part: TypeAlias = tuple[str, int, PartitionModels]
"""Kind of entity, number of the partition, and its models."""


def reports_of(parts: Iterable[Part]) -> list[ModelReport]:
    """Report each model of each partition, then each outcome's models over all of these partitions.

    The quality of several partitions is exact: their counts are added, not their figures averaged.
    """
    reports: list[ModelReport] = []
    together: defaultdict[tuple[str, str, str], list[tuple[Candidate, bool]]] = defaultdict(list)
    for entity, partition, models in parts:
        if models.anomaly is not None:
            warm = models.anomaly.quantile.value is not None
            reports.append(ModelReport(entity, partition, ANOMALY, models.n_seen, warm))
            custom_detectors = models.anomaly.blend.custom_detectors.values()
            reports.extend(
                ModelReport(
                    entity,
                    partition,
                    f"{ANOMALY}/{custom_detector.name}",
                    custom_detector.n_seen,
                    warm and custom_detector.n_seen > 0,
                )
                for custom_detector in custom_detectors
            )
        reports.extend(_drift_detectors(entity, partition, models))
        for outcome, panel in models.outcomes.panels.items():
            for candidate in panel.candidates:
                serves = candidate is panel.serving
                together[entity, outcome, candidate.name].append((candidate, serves))
                reports.append(_report(entity, partition, outcome, [(candidate, serves)], [candidate.quality]))
        for segment, chooser in models.choosers.items():
            reports.extend(_arms(entity, partition, segment, chooser))
    for (entity, outcome, _), found in together.items():
        reports.append(_report(entity, None, outcome, found, [candidate.quality for candidate, _ in found]))
    return reports


def detectors_of(parts: Iterable[Part]) -> list[DetectorReport]:
    """Report the detectors of each partition that has any."""
    return [
        DetectorReport(
            entity=entity,
            partition=partition,
            judged=models.anomaly.judged,
            alerts=models.anomaly.alerts,
            threshold=models.anomaly.quantile.value,
            in_wave=models.anomaly.rate.active,
            drift_blocks=models.drift.watch.n_blocks if models.drift is not None else 0,
        )
        for entity, partition, models in parts
        if models.anomaly is not None
    ]


def _drift_detectors(entity: str, partition: int, models: PartitionModels) -> Iterator[ModelReport]:
    """One line for each drift detector that the pack adds: by the feature or the outcome that it watches."""
    if models.drift is not None:
        watch = models.drift.watch
        for column, detectors in watch.further.items():
            for found in detectors:
                name = f"{DRIFT}/{found.name}/{watch.figures.subjects[column].name}"
                yield ModelReport(entity, partition, name, found.n_seen, watch.ready)
    for outcome, panel in models.outcomes.panels.items():
        for losses in panel.watches:
            name, n_seen = f"{DRIFT}/{losses.watch.name}/{outcome}", losses.watch.n_seen
            yield ModelReport(entity, partition, name, n_seen, n_seen > 0)


def _arms(entity: str, partition: int, segment: str, chooser: ArmChooser) -> list[ModelReport]:
    """One line for each of a segment's recommendations: rewards learned, and their mean."""
    warm = all(chooser.pulls.values())
    return [
        ModelReport(
            entity=entity,
            partition=partition,
            model=f"{BANDIT}/{segment}/{arm}",
            n_seen=pulls,
            warm=warm,
            quality={"all_time": {"n": pulls, "mean_reward": chooser.rewards[arm] / pulls if pulls else None}},
        )
        for arm, pulls in chooser.pulls.items()
    ]


def _report(
    entity: str,
    partition: int | None,
    outcome: str,
    found: list[tuple[Candidate, bool]],
    qualities: list[RollingQuality],
) -> ModelReport:
    first = found[0][0]
    return ModelReport(
        entity=entity,
        partition=partition,
        model=first.name,
        n_seen=sum(candidate.n_seen for candidate, _ in found),
        warm=not all(candidate.warm_up for candidate, _ in found),
        outcome=outcome,
        serves=sum(serves for _, serves in found),
        quality=merged(qualities)
        | {"emitted": sum((candidate.emitted for candidate, _ in found), QualitySums()).metrics()},
    )
