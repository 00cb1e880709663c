"""Records of recommendations: what was chosen, what it brought, and what people answered.

A record is bookkeeping, not an insight: it has what it takes to judge another way of choosing by what was done.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ubi_stream.insights.model import InsightSource

RecordType = Literal["choice", "reward", "answer"]


class RecommendationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One choice among several recommendations, its reward, or a person's answer to any recommendation.

    Attributes
    ----------
    id
        UUIDv5 of type and carrier: each is written once, a replay gives the same.
    insight_id
        The insight or visit that carried the recommendation: what an answer names.
    segment
        The segment, or the class of the visit, that it was for.
    action
        What was recommended; None of a visit, which carries a list.
    policy, propensity, probabilities, context, rewards_seen
        How it was chosen: the bandit's policy, the probability of what was chosen and of each, features in [0, 1], and
        rewards learned until then. None of an answer.
    reward, rewarded_by
        In [0, 1], and what gave it: `conversion` or `feedback`. None of what is no reward.
    answer, author, note
        What a person said. None of what is no answer.
    """

    id: str
    type: RecordType
    pack: str
    entity: str
    user_id: str
    at_ms: int
    insight_id: str
    segment: str
    action: str | None
    policy: str | None = None
    propensity: float | None = None
    probabilities: dict[str, float] | None = None
    context: dict[str, float] | None = None
    rewards_seen: int | None = None
    reward: float | None = None
    rewarded_by: str | None = None
    answer: str | None = None
    author: str | None = None
    note: str | None = None
    source: InsightSource
    trace_id: str | None


class RecommendationErasure(msgspec.Struct, frozen=True):
    """All earlier records of a user are to be deleted. It has the user's key, so it comes behind them."""

    entity: str
    user_id: str


RecommendationOutput: TypeAlias = RecommendationRecord | RecommendationErasure
