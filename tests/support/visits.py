"""Visits of effects, and what they came to."""

from __future__ import annotations

from ubi_stream.effects import Effects
from ubi_stream.insights.visits import VisitRecord


def visits_of(effects: Effects) -> list[VisitRecord]:
    """The records of visits, without notes of erasures."""
    return [visit for visit in effects.visits if isinstance(visit, VisitRecord)]
