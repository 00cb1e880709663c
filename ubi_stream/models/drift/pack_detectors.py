"""The drift detectors that a pack adds."""

from __future__ import annotations

from ubi_stream.models.drift.losses import NEWEST as NEWEST_LOSSES
from ubi_stream.models.drift.losses import PackLossWatch
from ubi_stream.models.drift.river_detector import MetricWatch
from ubi_stream.models.drift.watch import NEWEST as NEWEST_BLOCKS
from ubi_stream.packs.candidates import CandidateModel, of_task
from ubi_stream.packs.models import ModelsSpec


def loss_watches(models: ModelsSpec, outcome: str, *, seed: int) -> list[PackLossWatch]:
    """Make those that watch the losses of an outcome's predictions."""
    return [
        PackLossWatch(_made(candidate, NEWEST_LOSSES, seed))
        for candidate in of_task("change", models.candidates, costly=models.costly)
        if candidate.outcome == outcome
    ]


def feature_watches(models: ModelsSpec, watched: tuple[str, ...], *, seed: int) -> dict[str, list[MetricWatch]]:
    """Make those that watch features, one for each, by the feature's name."""
    made: dict[str, list[MetricWatch]] = {}
    for candidate in of_task("change", models.candidates, costly=models.costly):
        if candidate.outcome is None:
            for feature in candidate.features or watched:
                made.setdefault(feature, []).append(_made(candidate, NEWEST_BLOCKS, seed))
    return made


def _made(candidate: CandidateModel, newest: int, seed: int) -> MetricWatch:
    return MetricWatch(candidate.name, candidate.kind, candidate.parameters, newest=newest, seed=seed)
