"""What the models of a partition are made for: with another shape they start fresh."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from ubi_stream.packs.plan import Plan

_ASKED: Final = {"name", "by", "types", "within_h", "warm_up", "min_per_class"}
"""Of an outcome, what its models learn from."""


_LAYOUT: Final = "8"
"""Of what `PartitionModels` consists of; another one can't be read."""


def shape_of_models(plan: Plan, names: tuple[str, ...], seed: int) -> str:
    """Hash of what learned models can't be carried over from; thresholds of the policy are not among it."""
    models = plan.parts.models
    anomaly = models.anomaly.model_dump_json(exclude={"cool_down_min"}) if models.anomaly else ""
    drift = models.drift.model_dump_json(exclude={"cool_down_min"}) if models.drift else ""
    candidates = [
        c.model_dump_json(exclude={"budget_us", "entity"})
        for c in models.candidates
        if c.tier == "default" or models.costly
    ]
    bandit = models.bandit.model_dump_json(exclude={"horizon_h"}) if models.bandit else ""
    arms = [f"{segment.name}/{advice.action}" for segment in plan.parts.segments for advice in segment.recommendations]
    asked = [part.model_dump_json(include=_ASKED) for part in plan.parts.outcomes]
    return _hash(
        _LAYOUT,
        *plan.pack.events.types,
        "|",
        *names,
        "|",
        *plan.entity.anomaly_features,
        "|",
        anomaly,
        drift,
        bandit,
        *arms,
        *asked,
        *candidates,
        *(rule.name for rule in plan.parts.rules if rule.together),
        *(str(aggregation.key) for _, aggregation in (plan.declared.features if plan.declared else ())),
        *(("peers by segment",) if models.peers == "segment" else ()),
        str(seed),
    )


def _hash(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=6).hexdigest()
