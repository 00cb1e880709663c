"""Models that a pack adds to those that run anyway: for what task, on how much, at what price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from ubi_stream.packs.base import Model, Name

Task: TypeAlias = Literal["classification", "anomaly", "change", "forecast"]

DETECTORS: Final = ("crowd", "repeat", "trees", "own", "combination")
"""The anomaly ensemble's own."""

SHARE_TEST: Final = "share_test"
"""What watches tracking, and how many users meet a rule."""

DRIFT_DETECTORS: Final = ("page_hinkley", "adwin", SHARE_TEST)
"""What watches blocks of events, losses, and tracking, in any pack with drift."""

FORECASTERS: Final = ("slow", "quick", "weekly")
"""What forecasts in any pack."""

_TAKEN: Final[dict[str, tuple[str, ...]]] = {
    "anomaly": DETECTORS,
    "change": DRIFT_DETECTORS,
    "forecast": FORECASTERS,
}


class CandidateModel(Model):
    """One model more.

    For `classification` it predicts an outcome, and may serve if it is the best. For `anomaly` it is a further voice of
    the ensemble. For `change` it watches the losses of an outcome's predictions, or the features, for drift. For
    `forecast` it competes for each user's days ahead.
    """

    name: Name = Field(description="As metrics, insights and the API call it")
    task: Task = "classification"
    outcome: Name | None = Field(None, description="That it predicts, or whose losses it watches for a change")
    entity: Name = Field("user", description="Whose anomalies, features or days; an outcome says by itself")
    kind: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="A name of `ubi evaluate`'s list, of an installed extension, or steps of River by dotted name"
    )
    parameters: dict[str, JsonValue] = Field({}, description="Of the model; parts of River by dotted name, too")
    features: tuple[Name, ...] = Field((), description="What it looks at; none means all features of the entity")
    tier: Literal["default", "costly"] = Field("default", description="A costly one runs with models.costly alone")
    share: float = Field(1.0, gt=0, le=1, description="Of the questions, while it doesn't serve")
    budget_us: float = Field(60.0, gt=0, description="What it may cost for an event, in µs of processor time")

    @model_validator(mode="after")
    def _keys_belong_to_the_task(self) -> CandidateModel:
        delivered = f"candidate {self.name!r} of task = {self.task!r}"
        if self.task == "classification" and self.outcome is None:
            raise ValueError(f"{delivered} needs outcome: what it predicts")
        if self.task in ("anomaly", "forecast") and self.outcome is not None:
            raise ValueError(f"{delivered} takes no outcome")
        if self.features and (self.task == "forecast" or (self.task == "change" and self.outcome is not None)):
            raise ValueError(f"{delivered} takes no features here")
        if self.share < 1.0 and self.task in ("change", "forecast"):
            raise ValueError(f"{delivered} takes no share: it sees all")
        if self.name in _TAKEN.get(self.task, ()):
            raise ValueError(f"{delivered}: one that always runs has that name")
        return self


def check_looks(
    candidates: Sequence[CandidateModel],
    features: Sequence[str],
    watched: Sequence[str],
    entity: str,
) -> None:
    """Refuse candidates that look at what their entity lacks; those for anomalies and change see what is watched.

    Raises
    ------
    ValueError
        With the candidate, and what it names.
    """
    for candidate in candidates:
        of_events = candidate.task in ("anomaly", "change")
        seen, where = (
            (watched, "the anomaly features don't") if of_events else (features, f"the {entity} entity does not")
        )
        if unknown := [name for name in candidate.features if name not in seen]:
            raise ValueError(f"candidate {candidate.name!r} looks at {unknown[0]!r}, which {where} list")


def check_candidates(candidates: Sequence[CandidateModel], *, budget_us: float, costly: bool) -> None:
    """Refuse candidates of one name, and those that may cost more than the limit together.

    All that predict may be champion one day, so the dearest one counts as if it were: asked at every event. A voice of
    the anomaly ensemble counts whole: it scores every event. Change and forecasts are no matter of single events.

    Raises
    ------
    ValueError
        With the key, the value and what was expected.
    """
    spent: dict[str, list[tuple[float, float]]] = {}
    seen: set[tuple[str, str, str]] = set()
    for candidate in candidates:
        of, outcome = candidate.task, candidate.outcome or ""
        if (of, outcome, candidate.name) in seen:
            raise ValueError(f"candidates: {candidate.name!r} is listed twice for {outcome or of!r}")
        seen.add((of, outcome, candidate.name))
        if of == "classification" and (candidate.tier == "default" or costly):
            spent.setdefault(outcome, []).append((candidate.budget_us, candidate.share))
    custom_detectors = of_task("anomaly", candidates, costly=costly)
    total = sum(custom_detector.budget_us for custom_detector in custom_detectors) + sum(
        sum(us * share for us, share in of) + max(us * (1 - share) for us, share in of) for of in spent.values()
    )
    if not costly and total > budget_us:
        raise ValueError(
            f"candidates cost up to {total:g} µs an event together, more than budget_us = {budget_us:g}: "
            "give the shadows a smaller share, or move them to tier = 'costly'"
        )


def of_task(task: Task, candidates: Sequence[CandidateModel], *, costly: bool) -> list[CandidateModel]:
    """Candidates for a task that run."""
    return [c for c in candidates if c.task == task and (costly or c.tier == "default")]


def running(candidates: Sequence[CandidateModel], outcome: str, *, costly: bool) -> list[CandidateModel]:
    """Candidates that predict an outcome, and run."""
    return [c for c in of_task("classification", candidates, costly=costly) if c.outcome == outcome]
