"""Segments and rules of a pack: conditions on features, and what is said of those who meet them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ubi_stream.packs.base import Model, Name, Operator, SeverityName, no_twins


class Condition(Model):
    """`feature operator value`, for example `purchases_30d >= 3`."""

    feature: Name
    op: Operator
    value: float


class Recommendation(Model):
    """What a person could do about it. The product itself does nothing to a user."""

    action: Name
    text: str = Field(min_length=1, max_length=300)
    priority: int = Field(ge=1, le=5, description="1 is most urgent")
    score: float = Field(ge=0, le=1, description="How much good it is expected to do")


class Segment(Model):
    """A named group: the first segment whose conditions all hold is the entity's."""

    name: Name
    when: tuple[Condition, ...] = ()
    stay: tuple[Condition, ...] = Field(
        (), description="Looser conditions by which an entity that is in the segment stays in it"
    )
    hold_h: float = Field(24, ge=0, le=8760, description="Hours that it must hold, by the entity's events, to count")
    announced_from: tuple[Name, ...] | None = Field(
        None, description="Segments coming from which a person is told; none given means any"
    )
    silent: bool = Field(False, description="The segment of those who were silent for times.dormant_after_days")
    severity: SeverityName = "info"
    recommendation: Recommendation | None = None
    recommendations: tuple[Recommendation, ...] = Field(
        (), max_length=8, description="Several, of which models.bandit chooses; in place of the one"
    )

    @property
    def advice(self) -> tuple[Recommendation, ...]:
        """What may be recommended: nothing, the one, or several to choose from."""
        return self.recommendations or ((self.recommendation,) if self.recommendation else ())

    @model_validator(mode="after")
    def _one_recommendation_or_several(self) -> Segment:
        if self.recommendation and self.recommendations:
            raise ValueError(f"segment {self.name!r} has `recommendation` and `recommendations`: keep one of them")
        if len(self.recommendations) == 1:
            raise ValueError(f"segment {self.name!r} has one of `recommendations`: name it `recommendation`")
        no_twins(f"segment {self.name!r}: recommendations", [advice.action for advice in self.recommendations])
        return self

    @model_validator(mode="after")
    def _silence_is_the_condition(self) -> Segment:
        if self.stay and not self.when:
            raise ValueError(f"segment {self.name!r} has `stay` without `when`: it is stayed in anyway")
        if self.silent and self.when:
            raise ValueError(f"segment {self.name!r} is silent: its condition is the silence, `when` must be empty")
        return self


class Rule(Model):
    """A risk: told when all conditions hold, then not again for the cool-down."""

    name: Name
    when: Annotated[tuple[Condition, ...], Field(min_length=1)]
    severity: SeverityName = "medium"
    summary: str = Field(min_length=1, max_length=300, description="One sentence; {feature} is replaced by its value")
    cool_down_min: float = Field(60, ge=0)
    together: str | None = Field(
        None,
        min_length=1,
        max_length=300,
        description="One sentence for many users who meet it at once: {count}, {of}, {usual}, {median}, {bound}",
    )

    @property
    def wave_condition(self) -> Condition:
        """The condition that says to whom the rule could have happened: its feature has a value."""
        return self.when[0]

    @model_validator(mode="after")
    def _sentence_for_many_has_its_places(self) -> Rule:
        try:
            (self.together or "").format(**dict.fromkeys(("count", "of", "usual", "median", "bound"), "words"))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(
                f"rule {self.name!r}: together {self.together!r} can't be filled in ({error}); "
                "expected places among {count}, {of}, {usual}, {median} and {bound}"
            ) from error
        return self
