"""Segments and rules of a pack: conditions on features, and what is said of those who meet them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

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
    entity: Name = Field("user", description="Kind of entity that it is about")
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


class Alternative(Model):
    """One of several ways to meet a rule."""

    name: Name
    when: Annotated[tuple[Condition, ...], Field(min_length=1)]
    summary: str | None = Field(None, min_length=1, max_length=300, description="In place of the rule's summary")


class Beyond(Model):
    """So many times what is typical of a feature of the peers: the median of those who have any."""

    feature: Name
    times: float = Field(gt=0)


class RiskRule(Model):
    """A risk: reported when all conditions hold, then not again for the cool-down of its cause."""

    name: Name
    entity: Name = Field("user", description="Kind of entity that it is about")
    when: tuple[Condition, ...] = Field((), description="All must hold")
    any_of: tuple[Alternative, ...] = Field((), max_length=8, description="One must hold besides; the first is named")
    severity: SeverityName = "medium"
    summary: str = Field(
        min_length=1, max_length=300, description="One sentence; {feature} is its value, {feature:bound} its threshold"
    )
    cool_down_min: float = Field(60, ge=0)
    cause: Literal["user", "visit", "day"] = Field("user", description="Another cause is reported at once")
    usual_share: float = Field(0.001, ge=0, le=1, description="Share of a day's users that is expected to meet it")
    common_above: float = Field(0.01, gt=0, le=1, description="It is common where a larger share goes as far")
    when_common: Literal["low", "context"] = Field(
        "low", description="What is common has severity low, or is reported only where it is unusual for the user"
    )
    beyond_peers: Beyond | None = Field(
        None, description="Severity is low where the last condition's value is not far beyond what the peers do"
    )
    habit: bool = Field(True, description="Severity is low for a user who meets it on most days")
    alone: bool = Field(False, description="It explains its visit and the day after: nothing else unusual is reported")
    dimension: Literal["impulsivity", "nocturnal", "fatigue", "volatility"] | None = Field(
        None, description="Dimension of the user's risk level that it raises"
    )
    recommendation: Recommendation | None = None
    together: str | None = Field(
        None,
        min_length=1,
        max_length=300,
        description="One sentence for many users who meet it at once: {count}, {of}, {usual}, {median}, {bound}",
    )
    together_by: Literal["all", "hour"] = Field(
        "all", description="Whether the usual share of users who meet it is that of the same hour of the day (UTC)"
    )

    @property
    def ways(self) -> tuple[tuple[Condition, ...], ...]:
        """The lists of conditions of which one must hold as a whole."""
        return tuple((*self.when, *one.when) for one in self.any_of) or (self.when,)

    @property
    def leading(self) -> int:
        """Position, in each of the ways, of the condition that says how far a user goes: the first of its own."""
        return len(self.when) if self.any_of else 0

    @property
    def features(self) -> tuple[str, ...]:
        """The features of all its conditions, each once."""
        return tuple(dict.fromkeys(condition.feature for way in self.ways for condition in way))

    def summary_of(self, way: int) -> str:
        """The sentence for the way that holds."""
        return (self.any_of[way].summary if self.any_of else None) or self.summary

    @model_validator(mode="after")
    def _has_conditions(self) -> RiskRule:
        if not self.when and not self.any_of:
            raise ValueError(f"rule {self.name!r} has no conditions: it needs `when`, `any_of`, or both")
        if self.together and (self.any_of or not self.when):
            raise ValueError(f"rule {self.name!r} has a sentence for many: it needs `when`, and no `any_of`")
        no_twins(f"rule {self.name!r}: any_of", [one.name for one in self.any_of])
        return self

    @model_validator(mode="after")
    def _summaries_use_its_conditions(self) -> RiskRule:
        for way, conditions in enumerate(self.ways):
            summary = self.summary_of(way)
            fields = {condition.feature: _SAMPLE for condition in conditions}
            try:
                summary.format(clock="", **fields)
            except KeyError as error:
                raise ValueError(
                    f"rule {self.name!r}: summary uses {{{error.args[0]}}}, which none of its conditions is about"
                ) from error
            except (ValueError, IndexError, AttributeError, TypeError) as error:
                raise ValueError(
                    f"rule {self.name!r}: summary {summary!r} can't be filled in with numbers ({error}); "
                    "expected features in braces, such as {last_amount}, {last_amount:.2f} or {last_amount:bound}"
                ) from error
        return self

    @property
    def wave_condition(self) -> Condition:
        """The condition that says to whom the rule could have happened: its feature has a value."""
        return self.when[0]

    @model_validator(mode="after")
    def _sentence_for_many_has_its_places(self) -> RiskRule:
        if self.together and not self.when:
            raise ValueError(f"rule {self.name!r}: together needs `when`: its first condition says whom it is about")
        try:
            (self.together or "").format(**dict.fromkeys(("count", "of", "usual", "median", "bound"), "words"))
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ValueError(
                f"rule {self.name!r}: together {self.together!r} can't be filled in ({error}); "
                "expected places among {count}, {of}, {usual}, {median} and {bound}"
            ) from error
        return self


class Quantity:
    """A value and its thresholds in a summary: `{feature}`, `{feature:bound}`, or with a format, `{feature:.2f}`.

    Of several thresholds `{feature:low}` is the lowest, and `{feature:high}` the highest.
    """

    def __init__(self, value: float, words: str, bounds: Mapping[str, str]) -> None:
        self._value = value
        self._words = words
        self._bounds = bounds

    def __format__(self, spec: str) -> str:
        if spec in self._bounds:
            return self._bounds[spec]
        return format(self._value, spec) if spec else self._words


_SAMPLE = Quantity(1.0, "1", dict.fromkeys(("bound", "low", "high"), "1"))
