"""Which rows are unusual: for the population, and for the entity itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.ids import short_hash
from ubi_stream.models.anomaly_keys import Combinations
from ubi_stream.models.anomaly_rate import AlertRate, Seen
from ubi_stream.models.feedback.thresholds import Gate
from ubi_stream.models.oddness.blend import OWN, OddnessBlend
from ubi_stream.models.oddness.sights import Look, Sights
from ubi_stream.models.oddness.voice import Voice
from ubi_stream.models.quantile import OnlineQuantile
from ubi_stream.models.registry import Recipe
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.candidates import of_task
from ubi_stream.packs.plan import Plan
from ubi_stream.state.stage import Moment

OWN_BASELINE: Final = ("amount_z", "latency_z", "activity_z", "hour_surprise")
"""Features that measure an entity against itself, in deviations (or bits)."""

_SILENT: Final = 0.01
"""Share of a score that leaving features out must explain; else several share it, and each is put in alone."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One batch on its way through the ensemble."""

    batch: Featurized
    moments: Sequence[Moment]
    sights: Sights
    known: NDArray[np.bool_]
    gate: Gate
    scores: Scores


class AnomalyEnsemble:
    """The pack's anomaly model: an `OddnessBlend` over the watched features, and a threshold at the rate asked for.

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
    alerts, judged
        Rows above the threshold so far, and those that could have been.
    """

    def __init__(self, plan: Plan, names: tuple[str, ...], *, seed: int) -> None:
        config = plan.pack.models.anomaly
        assert config is not None, "made only for a pack with the model"
        watched = plan.entity.anomaly_features or names
        self.names = names
        self.columns = np.array([names.index(name) for name in watched])
        self.own_columns = np.array([names.index(name) for name in OWN_BASELINE if name in names], dtype=np.intp)
        self.min_events = config.min_entity_events
        self.blend = OddnessBlend(
            watched,
            trees=config.trees,
            height=config.height,
            window=config.window,
            voices=voices_of(plan, watched, seed=seed),
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

    def over(self, moments: Sequence[Moment], gate: Gate, scores: Scores) -> Pass:
        """Look at a batch; `moments` are those that have a row, in order."""
        batch = scores.batch
        own = batch.values[:, self.own_columns]
        rows = np.ascontiguousarray(batch.scaled[:, self.columns])
        known = np.array([facts.events >= self.min_events for facts in batch.facts], dtype=np.bool_)
        sights = Sights.of(rows, own, self.combinations.keys(moments, batch.facts))
        return Pass(batch, moments, sights, known, gate, scores)

    def run(self, passing: Pass, rows: slice, peers: Matrix) -> None:
        """Score rows, find those above their entity's threshold, explain them, and learn all."""
        for part in self.blend.parts(rows.stop - rows.start):
            self._run_part(passing, slice(rows.start + part.start, rows.start + part.stop), peers)

    def _run_part(self, passing: Pass, rows: slice, peers: Matrix) -> None:
        sights, scores, gate = passing.sights[rows], passing.scores, passing.gate
        look = self.blend.look(sights)
        scores.anomaly[rows] = look.score
        # Of those that can alert alone: newcomers are usual, and would lower the threshold for all others.
        thresholds, ranks = self.quantile.rank_many(np.where(passing.known[rows], look.score, np.nan))
        warm = self.blend.n_seen + np.arange(len(sights)) >= self.warm_up
        judged = np.isfinite(thresholds) & warm
        found: list[tuple[int, int, str]] = []
        for position in np.flatnonzero((look.score > gate.floors(thresholds)) & judged).tolist():
            row, quantile = rows.start + position, float(thresholds[position])
            threshold = gate.threshold(row, quantile)
            if look.score[position] <= threshold:
                continue
            alert = self._explained(passing, row, sights, look, position, peers)
            one_in = 1.0 / float(ranks[position])
            scores.alerts[row] = replace(alert, threshold=threshold, quantile=quantile, one_in=one_in)
            found.append((position, short_hash(passing.moments[row].entity_id), self._lead(alert)))
        self._watch_rate(passing, rows, judged, found)
        self.blend.learn(sights, look)
        self.alerts += len(found)
        self.judged += int(np.count_nonzero(judged))

    def _watch_rate(
        self, passing: Pass, rows: slice, judged: NDArray[np.bool_], found: Sequence[tuple[int, int, str]]
    ) -> None:
        waves, held = self.rate.watch(Seen([m.watermark_ms for m in passing.moments[rows]], judged, found))
        scores = passing.scores
        scores.waves |= {rows.start + position: wave for position, wave in waves.items()}
        for position in held:
            row = rows.start + position
            scores.alerts[row] = replace(scores.alerts[row], held=True)

    def _explained(self, passing: Pass, row: int, sights: Sights, look: Look, position: int, peers: Matrix) -> Alert:
        """What made a row odd: what its score loses with each feature at its usual value, each deviation left out."""
        batch, score = passing.batch, float(look.score[position])
        usual = batch.scale(np.where(np.isnan(batch.usual[row]), peers, batch.usual[row]))[self.columns]
        parts = np.zeros(len(self.names))
        parts[self.columns] = score - self.blend.without(sights, look, position, usual)
        if parts.max() <= _SILENT * score:
            parts[self.columns] = self.blend.alone(sights, look, position, usual)
        if len(self.own_columns):
            parts[self.own_columns] += score - self.blend.own_without(sights, look, position)
        event = passing.moments[row].event
        shares = dict(zip(self.blend.detectors, look.shares[position].tolist(), strict=True))
        speaker = min(shares, key=lambda name: (shares[name], name))
        return Alert(
            score,
            threshold=score,
            parts=parts,
            quantile=score,
            shares=dict(sorted(shares.items(), key=lambda item: (item[1], item[0]))),
            spoken=score - self.blend.silent(look, position, speaker),
            n_seen=self.blend.n_seen + position,
            combination="" if event is None else self.combinations.in_words(event),
        )

    def _lead(self, alert: Alert) -> str:
        """The strongest feature; or the detector that spoke, where no feature explains it."""
        strongest = int(alert.parts.argmax())
        speaker = alert.speaker
        if alert.parts[strongest] > _SILENT * alert.score or speaker == OWN:
            return self.names[strongest]
        return speaker


def voices_of(plan: Plan, watched: tuple[str, ...], *, seed: int) -> list[Voice]:
    """The voices that the pack adds to the ensemble of its users; those whose features are not watched see all."""
    models = plan.pack.models
    added = of_task("anomaly", models.candidates, costly=models.costly) if plan.entity.key is None else []
    voices = []
    for one in added:
        features = one.features if one.features and set(one.features) <= set(watched) else watched
        recipe = Recipe(one.kind, features, dict(one.parameters), seed)
        voices.append(Voice(one.name, recipe, watched, share=one.share))
    return voices
