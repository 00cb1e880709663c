"""What a worker says about itself: values that the views show and the metrics count."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class StateLocation(StrEnum):
    """Where an entity's state is, as far as this worker knows."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    UNKNOWN = "unknown"
    """Partitions are being handed out, or restored: it will be known soon."""


class Owner(msgspec.Struct, frozen=True):
    """Who has an entity's state; `url` is the address of the other worker's views, such as `http://10.0.0.2:8088`."""

    place: StateLocation
    url: str | None = None


class Check(msgspec.Struct, frozen=True):
    """Whether one thing that the worker needs is there. The message is one sentence, without addresses or ids."""

    name: str
    ok: bool
    message: str = ""


ANOMALY: Final = "anomaly"
"""Name of the anomaly model; those of outcomes are called as the pack calls them."""


DRIFT: Final = "drift"
"""What a pack's drift detectors are called by: `drift/<name>/<feature or outcome>`."""

BANDIT: Final = "bandit"
"""What the models of recommendations are called by: `bandit/<segment>/<action>`."""


class ModelReport(msgspec.Struct, frozen=True):
    """How far one model has come: of one partition, or of all that this worker has (`partition` is None).

    `n_seen` counts what it has learned from (rows for the anomaly model, labels for one of an outcome), `warm` says
    whether it gives scores yet, `serves` in how many partitions its predictions are the ones told. `quality` is
    `RollingQuality.as_dict()`: metrics under `all_time` and `window`; empty for a model that has no labels to be
    measured by.
    """

    entity: str
    partition: int | None
    model: str
    n_seen: int
    warm: bool
    outcome: str = ""
    serves: int = 1
    quality: dict[str, dict[str, float | int | None]] = {}


class DetectorReport(msgspec.Struct, frozen=True):
    """How the detectors of one partition stand.

    `judged` rows could have alerted, `alerts` did, told or not; `threshold` is None while there is none yet; `in_wave`
    says whether alerts are held back because many entities alert at once.
    """

    entity: str
    partition: int
    judged: int
    alerts: int
    threshold: float | None
    in_wave: bool
    drift_blocks: int


class Lag(msgspec.Struct, frozen=True):
    """Records of one partition that are on the topic and not processed yet."""

    topic: str
    partition: int
    events: int
