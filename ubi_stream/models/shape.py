"""What the models of a partition are made for: with another shape they start fresh."""

from __future__ import annotations

from hashlib import blake2b

from ubi_stream.packs.plan import Plan


def shape_of_models(plan: Plan, names: tuple[str, ...], seed: int) -> str:
    """Hash of what learned models can't be carried over from; thresholds of the policy are not among it."""
    models = plan.pack.models
    anomaly = models.anomaly.model_dump_json(exclude={"cool_down_min"}) if models.anomaly else ""
    outcome = models.outcome.model_dump_json() if models.outcome else ""
    bandit = models.bandit.model_dump_json(exclude={"horizon_h"}) if models.bandit and plan.entity.key is None else ""
    arms = [f"{segment.name}/{advice.action}" for segment in plan.pack.segments for advice in segment.recommendations]
    asked = [part.model_dump_json(include={"name", "by", "types", "within_h"}) for part in plan.pack.outcomes]
    return _hash(*names, "|", *plan.entity.anomaly_features, "|", anomaly, outcome, bandit, *arms, *asked, str(seed))


def _hash(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=6).hexdigest()
