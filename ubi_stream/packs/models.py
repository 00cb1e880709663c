"""The models of a pack: which run, and how."""

from __future__ import annotations

from pydantic import Field

from ubi_stream.packs.base import Model


class AnomalyModel(Model):
    """Half-space trees and the entity's own baseline."""

    trees: int = Field(25, ge=1, le=100)
    height: int = Field(8, ge=1, le=10)
    window: int = Field(250, ge=20, le=10_000, description="Events between two pivots")
    alert_rate: float = Field(0.005, gt=0, le=0.2, description="Share of events that should alert")
    warm_up: int = Field(500, ge=0, description="Events before the first alert")
    min_entity_events: int = Field(10, ge=0, description="Events an entity must have before it can alert")
    cool_down_min: float = Field(60, ge=0)


class OutcomeModel(Model):
    """Logistic regression of "this session will end in a conversion", learned when the session ends."""

    learning_rate: float = Field(0.02, gt=0, le=1)
    l2: float = Field(0.0001, ge=0)
    warm_up: int = Field(100, ge=0, description="Labels before the first prediction")
    min_per_class: int = Field(10, ge=1)


class ChangeModel(Model):
    """A rate of the last day against the entity's own thirty days."""

    factor: float = Field(2.0, gt=1, description="Doubled or halved is 2")
    z: float = Field(4.0, gt=0, description="Least evidence, in standard deviations")
    min_events: int = Field(20, ge=1)
    cool_down_min: float = Field(1440, ge=0)


class Models(Model):
    """The models that run for each entity; a missing one does not run."""

    anomaly: AnomalyModel | None = None
    outcome: OutcomeModel | None = None
    change: ChangeModel | None = None
