"""What the product says about an entity, and what it rests on."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from ubi_stream.insights.claims import Claim


class InsightKind(StrEnum):
    """What an insight is about."""

    SEGMENT = "segment"
    ANOMALY = "anomaly"
    BEHAVIOUR_CHANGE = "behaviour_change"
    RISK = "risk"
    RECOMMENDATION = "recommendation"
    PREDICTION = "prediction"
    FORECAST = "forecast"
    DRIFT = "drift"
    MODEL = "model"
    LABEL = "label"
    ERASURE = "erasure"


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class InsightSource(msgspec.Struct, frozen=True, gc=False):
    """Position of a record: topic, partition, offset."""

    topic: str
    partition: int
    offset: int


class Contribution(msgspec.Struct, frozen=True, gc=False):
    """What one feature added to a score.

    `value` is the feature now, `usual` the entity's own baseline, `peers` that of all entities of the partition (both
    None where there is none yet), `contribution` the signed share of the score's distance from its baseline.
    """

    feature: str
    value: float | None
    contribution: float
    usual: float | None = None
    peers: float | None = None


class Explanation(msgspec.Struct, frozen=True):
    """One plain sentence, the features behind it, strongest first, and the claims that the sentence is made of.

    Claims are told as `evidence.claims`.
    """

    summary: str
    contributions: tuple[Contribution, ...] = ()
    claims: tuple[Claim, ...] = ()


class Insight(msgspec.Struct, frozen=True):
    """One explained statement about one entity at one moment of event time.

    `id` is a UUIDv5 of pack, entity, kind, causing event and window: the same events give the same ids anywhere.
    `user_id` is the id of the entity (`entity` says of which kind). `score` and `confidence` are in [0, 1], or None
    while the model warms up.
    """

    id: str
    kind: InsightKind
    entity: str
    user_id: str
    pack: str
    at_ms: int
    label: str | None
    score: float | None
    confidence: float | None
    severity: Severity
    explanation: Explanation
    evidence: dict[str, Any]
    model_version: str
    source: InsightSource
    trace_id: str | None = None
    received_ms: int = 0
    """When the broker got the causing event: for the latency, not part of what is told."""


class WindowCount(msgspec.Struct, frozen=True):
    """Counts of one partition in one pane of event time.

    They are partial: the sum over partitions is the figure. A later count of the same cell replaces it; one of a pane
    that is `closed` is final. `measure` is `events` (`key` is the event type), `users_by_segment` (active entities by
    their present segment, in panes of five minutes, an hour and a day), `segment_distribution` (visits that ended, by
    visit class) or `conversion_funnel` (events of these visits; `key` is "class/step", with "class/visit" for the
    visits themselves). Two more are totals since the first event, in no pane (both times are 0), with the newest
    arrival in ms as `amount`: `personal_data` (records, by "property/rule/action") and `withheld` (events, by reason).
    """

    pack: str
    entity: str
    partition: int
    pane_start_ms: int
    pane_ms: int
    measure: str
    key: str
    count: int
    amount: float = 0.0
    closed: bool = True


class FeatureRow(msgspec.Struct, frozen=True):
    """The features of one event, as the models saw them. None where a feature had no value yet."""

    event_id: str
    entity: str
    entity_id: str
    at_ms: int
    features: dict[str, float | None]
