"""Which rows are unusual: for the population, and for the entity itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Featurized
from ubi_stream.ids import short_hash
from ubi_stream.models.anomaly.alert_rate import AlertRate, ScoredRows
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.anomaly.custom import CustomDetector
from ubi_stream.models.anomaly.daily_peaks import DailyPeaks
from ubi_stream.models.anomaly.ensemble import OWN, DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs, DetectorScores
from ubi_stream.models.anomaly.notable import Directions, without_harmless
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.feedback.thresholds import AlertThresholds
from ubi_stream.models.registry import Recipe
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.candidates import of_task
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.state.stage import StateChange

OWN_BASELINE: Final = ("amount_z", "latency_z", "activity_z", "hour_surprise")
"""Features that measure an entity against itself, in deviations (or bits)."""

_SILENT: Final = 0.01
"""Share of a score that leaving features out must explain; else several share it, and each is put in alone."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One batch on its way through the ensemble."""

    batch: Featurized
    changes: Sequence[StateChange]
    inputs: DetectorInputs
    known: NDArray[np.bool_]
    opens_day: NDArray[np.bool_]
    alert_thresholds: AlertThresholds
    scores: Scores


class AnomalyEnsemble:
    """The pack's anomaly model: an `DetectorEnsemble` over the watched features, and a threshold at the rate asked for.

    Attributes
    ----------
    blend
        The detectors.
    quantile
        The score above which the asked share of the rows lies.
    rate
        Watches whether many entities alert at once.
    warm_up
        Rows before the first alert.
    directions
        Which side of the usual is worth an alert: of the watched features, then of the deviations.
    peaks
        Counts how many active entities a day have an alert so strong.
    alerts, judged
        Rows above the threshold so far, and those that could have been.
    """

    def __init__(self, plan: Plan, features: tuple[Feature, ...], *, seed: int) -> None:
        config = plan.parts.models.anomaly
        assert config is not None, "made only for a pack with the model"
        self.names = names = tuple(feature.name for feature in features)
        watched = plan.entity.anomaly_features or names
        self.columns = np.array([names.index(name) for name in watched])
        self.own_columns = np.array([names.index(name) for name in OWN_BASELINE if name in names], dtype=np.intp)
        self.directions = Directions([features[column] for column in (*self.columns, *self.own_columns)])
        self.peaks = DailyPeaks()
        self.min_events = config.min_entity_events
        self.blend = DetectorEnsemble(
            watched,
            trees=config.trees,
            height=config.height,
            window=config.window,
            custom_detectors=custom_detectors_of(plan, watched, seed=seed),
            seed=seed,
        )
        self.warm_up = config.warm_up
        # One score above the threshold is the least that tells where it lies.
        enough = max(min(config.warm_up, round(1.0 / config.alert_rate)), 1)
        self.quantile = OnlineQuantile(1.0 - config.alert_rate, min_count=enough)
        self.rate = AlertRate(config.population, config.alert_rate)
        self.combinations = Combinations(plan)
        self.alerts = 0
        self.judged = 0

    def over(self, changes: Sequence[StateChange], alert_thresholds: AlertThresholds, scores: Scores) -> Pass:
        """Look at a batch; `moments` are those that have a row, in order."""
        batch = scores.batch
        own = batch.values[:, self.own_columns]
        rows = np.ascontiguousarray(batch.scaled[:, self.columns])
        known = np.array([context.events >= self.min_events for context in batch.context], dtype=np.bool_)
        inputs = DetectorInputs.of(rows, own, self.combinations.keys(changes, batch.context))
        opens_day = np.array([context.first_in_day for context in batch.context], dtype=np.bool_)
        return Pass(batch, changes, inputs, known, opens_day, alert_thresholds, scores)

    def run(self, passing: Pass, rows: slice, peers: PeerBaseline) -> None:
        """Score rows, find those above their entity's threshold, explain them, and learn all."""
        for part in self.blend.parts(rows.stop - rows.start):
            self._run_part(passing, slice(rows.start + part.start, rows.start + part.stop), peers)

    def _run_part(self, passing: Pass, rows: slice, peers: PeerBaseline) -> None:
        inputs, scores, alert_thresholds = passing.inputs[rows], passing.scores, passing.alert_thresholds
        look = self.blend.look(inputs)
        scores.anomaly[rows] = look.score
        # Of those that can alert alone: newcomers are usual, and would lower the threshold for all others.
        thresholds, ranks = self.quantile.rank_many(np.where(passing.known[rows], look.score, np.nan))
        warm = self.blend.n_seen + np.arange(len(inputs)) >= self.warm_up
        judged = np.isfinite(thresholds) & warm
        found: list[tuple[int, int, str]] = []
        for position in np.flatnonzero((look.score > alert_thresholds.floors(thresholds)) & judged).tolist():
            row, quantile = rows.start + position, float(thresholds[position])
            threshold = alert_thresholds.threshold(row, quantile)
            if look.score[position] <= threshold:
                continue
            alert = self._explained(passing, row, inputs, look, position, peers)
            one_in = 1.0 / float(ranks[position])
            scores.alerts[row] = replace(alert, threshold=threshold, quantile=quantile, one_in=one_in)
            found.append((position, short_hash(passing.changes[row].entity_id), self._lead(alert)))
        self._watch_rate(passing, rows, judged, found)
        self._rank_among_users(passing, rows, [position for position, _, _ in found])
        self.blend.learn(inputs, look)
        self.alerts += len(found)
        self.judged += int(np.count_nonzero(judged))

    def _watch_rate(
        self, passing: Pass, rows: slice, judged: NDArray[np.bool_], found: Sequence[tuple[int, int, str]]
    ) -> None:
        waves, held = self.rate.watch(ScoredRows([m.watermark_ms for m in passing.changes[rows]], judged, found))
        scores = passing.scores
        scores.waves |= {rows.start + position: wave for position, wave in waves.items()}
        for position in held:
            row = rows.start + position
            scores.alerts[row] = replace(scores.alerts[row], held=True)

    def _explained(
        self, passing: Pass, row: int, inputs: DetectorInputs, look: DetectorScores, position: int, peers: PeerBaseline
    ) -> Alert:
        """What made a row odd: what its score loses with each feature at its usual value, each deviation left out."""
        batch, score = passing.batch, float(look.score[position])
        own = batch.usual[row]
        usual, typical = (
            batch.scale(np.where(np.isnan(own), others, own))[self.columns] for others in (peers.usual, peers.typical)
        )
        shares = dict(zip(self.blend.detectors, look.shares[position].tolist(), strict=True))
        given = np.concatenate((inputs.rows[position], inputs.own[position]))
        harmless = self.directions.harmless(given, np.concatenate((typical, np.zeros(len(self.own_columns)))))
        alone, seen = without_harmless(self.blend, inputs, look, position, usual, harmless)
        return Alert(
            score,
            threshold=score,
            parts=self._parts(inputs, look, position, usual),
            quantile=score,
            shares=dict(sorted(shares.items(), key=lambda item: (item[1], item[0]))),
            n_seen=self.blend.n_seen + position,
            notable=float(seen.score[0]),
            notable_parts=self._parts(alone, seen, 0, usual),
        )

    def _parts(self, inputs: DetectorInputs, look: DetectorScores, position: int, usual: FloatArray) -> FloatArray:
        """What a score loses with each feature at its usual value, each deviation left out, shape (features,)."""
        score = float(look.score[position])
        parts = np.zeros(len(self.names))
        parts[self.columns] = score - self.blend.without(inputs, look, position, usual)
        if parts.max() <= _SILENT * score:
            parts[self.columns] = self.blend.alone(inputs, look, position, usual)
        if len(self.own_columns):
            parts[self.own_columns] += score - self.blend.own_without(inputs, look, position)
        return parts

    def _rank_among_users(self, passing: Pass, rows: slice, alerts: Sequence[int]) -> None:
        """Say of each alert how rare it is among active entities a day; alerts of a wave are no measure of that."""
        scores, peaks = passing.scores, self.peaks
        days = set(np.flatnonzero(passing.opens_day[rows]).tolist())
        for position in sorted({*days, *alerts}):
            if position in days:
                peaks.begin_day()
            row = rows.start + position
            alert = scores.alerts.get(row)
            if alert is None or alert.held:
                continue
            change = passing.changes[row]
            history, day = change.state.history, change.at_ms // DAY_MS
            before = history.peak if history.peak_day == day else 0
            one_in = peaks.one_in(alert.notable, before)
            scores.alerts[row] = replace(alert, users_one_in=one_in, users_seen=peaks.days)
            history.peak = peaks.raise_to(alert.notable, before)
            history.peak_day = day

    def _lead(self, alert: Alert) -> str:
        """The strongest feature; or the detector that spoke, where no feature explains it."""
        strongest = int(alert.parts.argmax())
        leading_detector = alert.leading_detector
        if alert.parts[strongest] > _SILENT * alert.score or leading_detector == OWN:
            return self.names[strongest]
        return leading_detector


def custom_detectors_of(plan: Plan, watched: tuple[str, ...], *, seed: int) -> list[CustomDetector]:
    """The voices that the pack adds to the ensemble of an entity; those whose features are not watched see all."""
    models = plan.parts.models
    added = of_task("anomaly", models.candidates, costly=models.costly)
    custom_detectors = []
    for one in added:
        features = one.features if one.features and set(one.features) <= set(watched) else watched
        recipe = Recipe(one.kind, features, dict(one.parameters), seed)
        custom_detectors.append(CustomDetector(one.name, recipe, watched, share=one.share))
    return custom_detectors
