"""Models that compete for an outcome: which run, on how much, at what price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from ubi_stream.packs.base import Model, Name
from ubi_stream.packs.outcomes import Outcome


class CandidateModel(Model):
    """One model that predicts an outcome, and may serve if it is the best."""

    name: Name = Field(description="As metrics, insights and the API call it")
    outcome: Name = Field(description="Which of the pack's outcomes")
    task: Literal["classification"] = "classification"
    kind: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="A name of `ubi evaluate`'s list, of an installed extension, or steps of River by dotted name"
    )
    parameters: dict[str, JsonValue] = Field({}, description="Of the model; parts of River by dotted name, too")
    features: tuple[Name, ...] = Field((), description="What it looks at; none means all features of the entity")
    tier: Literal["default", "costly"] = Field("default", description="A costly one runs with models.costly alone")
    share: float = Field(1.0, gt=0, le=1, description="Of the questions, while it doesn't serve")
    budget_us: float = Field(60.0, gt=0, description="What it may cost for an event, in µs of processor time")


def check_looks(candidates: Sequence[CandidateModel], outcomes: Sequence[Outcome], features: Sequence[str]) -> None:
    """Refuse candidates that predict or look at what there isn't.

    Raises
    ------
    ValueError
        With the candidate, and what it names.
    """
    asked = [outcome.name for outcome in outcomes]
    for candidate in candidates:
        if candidate.outcome not in asked:
            raise ValueError(
                f"candidate {candidate.name!r} predicts {candidate.outcome!r}, which is no outcome of the pack"
            )
        if unknown := [name for name in candidate.features if name not in features]:
            raise ValueError(
                f"candidate {candidate.name!r} looks at {unknown[0]!r}, which the user entity does not list"
            )


def check_candidates(candidates: Sequence[CandidateModel], *, budget_us: float, costly: bool) -> None:
    """Refuse candidates of one name, and those that may cost more than the limit together.

    All may be champion one day, so the dearest one counts as if it were: asked at every event.

    Raises
    ------
    ValueError
        With the key, the value and what was expected.
    """
    spent: dict[str, list[tuple[float, float]]] = {}
    seen: set[tuple[str, str]] = set()
    for candidate in candidates:
        if (candidate.outcome, candidate.name) in seen:
            raise ValueError(f"candidates: {candidate.name!r} is listed twice for {candidate.outcome!r}")
        seen.add((candidate.outcome, candidate.name))
        if candidate.tier == "default" or costly:
            spent.setdefault(candidate.outcome, []).append((candidate.budget_us, candidate.share))
    total = sum(
        sum(us * share for us, share in of) + max(us * (1 - share) for us, share in of) for of in spent.values()
    )
    if not costly and total > budget_us:
        raise ValueError(
            f"candidates cost up to {total:g} µs an event together, more than budget_us = {budget_us:g}: "
            "give the shadows a smaller share, or move them to tier = 'costly'"
        )


def running(candidates: Sequence[CandidateModel], outcome: str, *, costly: bool) -> list[CandidateModel]:
    """Candidates of an outcome that run."""
    return [c for c in candidates if c.outcome == outcome and (costly or c.tier == "default")]
