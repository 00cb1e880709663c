"""Visit classes of a pack: what kind of visit it was, by figures of that visit alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from ubi_stream.packs.base import Model, Name, no_twins
from ubi_stream.packs.segments import Condition

VISIT_FIGURES: Final = (
    "session_depth",
    "session_duration_min",
    "session_interests",
    "session_intents",
    "session_conversions",
    "session_items",
    "session_categories",
    "session_amount",
)
"""What conditions of a visit class may name: events, minutes, the steps of the funnel, different items and categories,
money. `ubi_stream.state.visit_class` computes them."""

Color = Literal["red", "orange", "yellow", "green", "blue", "purple", "grey"]


class VisitClass(Model):
    """A named kind of visit: the first class whose conditions all hold is the visit's."""

    name: Name
    entity: Name = Field("user", description="Kind of entity that it is about")
    when: tuple[Condition, ...] = ()
    color: Color = Field("grey", description="What pages and reports paint it with")
    score: float = Field(ge=0, le=100, description="How good such a visit is for the business")
    priority: int = Field(ge=1, le=5, description="How soon to act on such visits; 1 is most urgent")
    recommendations: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=300)], ...], Field(max_length=8)
    ] = ()


def check_visit_classes(classes: Sequence[VisitClass]) -> None:
    """Refuse classes that leave a visit without one, that no visit can reach, or that name unknown figures.

    Raises
    ------
    ValueError
        With the class, and what was expected.
    """
    no_twins("visit_classes", [one.name for one in classes])
    for number, one in enumerate(classes, start=1):
        for condition in one.when:
            if condition.feature not in VISIT_FIGURES:
                raise ValueError(
                    f"visit class {one.name!r} uses {condition.feature!r}; expected a figure of the visit alone: "
                    f"{', '.join(VISIT_FIGURES)}"
                )
        if not one.when and number < len(classes):
            raise ValueError(f"visit class {one.name!r} has no conditions: those behind it would never be reached")
    if classes and classes[-1].when:
        raise ValueError("visit_classes: the last must have no conditions, for every other visit")
