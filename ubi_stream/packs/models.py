"""The models of a pack: which run, and how."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ubi_stream.packs.base import Model, Name
from ubi_stream.packs.candidates import CandidateModel, check_candidates


class PopulationAlert(Model):
    """When many entities alert at once, one insight tells of all, and theirs are held back."""

    factor: float = Field(5.0, gt=1, description="Times as many alerting entities as `alert_rate` asks for")
    window_min: float = Field(10, gt=0, le=1440, description="Minutes of event time that the rate is taken over")
    min_entities: int = Field(20, ge=2, description="Entities that must have alerted in the window")


class AnomalyModel(Model):
    """An ensemble: crowd, exact repeats, half-space trees, own baseline, combinations. See docs/anomalies.md."""

    trees: int = Field(25, ge=1, le=100)
    height: int = Field(8, ge=1, le=10)
    window: int = Field(250, ge=20, le=10_000, description="Events between two pivots")
    alert_rate: float = Field(0.005, gt=0, le=0.2, description="Share of events that should alert")
    warm_up: int = Field(500, ge=0, description="Events before the first alert")
    min_entity_events: int = Field(10, ge=0, description="Events an entity must have before it can alert")
    low_one_in: float = Field(200, ge=1, description="Told where one in so many active users a day has one as strong")
    medium_one_in: float = Field(1000, ge=1, description="From so many on it is medium")
    high_one_in: float = Field(10_000, ge=1, description="From so many on it is high")
    cool_down_min: float = Field(1440, ge=0)
    population: PopulationAlert = PopulationAlert()


class DriftModel(Model):
    """Volumes, missing properties, features and losses over time: did users change, or did tracking break?"""

    block: int = Field(500, ge=20, le=100_000, description="Events whose means are one observation")
    warm_up_h: float = Field(24, ge=0, le=720, description="Hours of event time before anything is told")
    min_blocks: int = Field(40, ge=5, description="Observations before anything is told")
    cool_down_min: float = Field(1440, ge=0, description="For so long the same subject is not told again")


class ChangeModel(Model):
    """A few days against the same weekdays of the weeks before: see `ubi_stream.models.rate_change`."""

    factor: float = Field(2.0, gt=1, description="Doubled or halved is 2")
    info_z: float = Field(2.0, gt=0, description="Least evidence, in standard deviations; less than `z` is `info`")
    z: float = Field(4.0, gt=0, description="Evidence from which on a rise is `low`, a fall `medium`")
    min_visits: int = Field(8, ge=2, description="Visits of both sides together; of other entities than users, events")
    cool_down_min: float = Field(40320, ge=0, description="So long a direction is told once, and once more when surer")


class ForecastModel(Model):
    """What users will spend or do in the days ahead, from the days before: see `ubi_stream.models.forecast`."""

    target: Literal["amount", "events"] = Field("amount", description="What is forecast: money or number of events")
    horizon_days: int = Field(7, ge=1, le=14)
    min_days: int = Field(14, ge=1, le=29, description="Days with events among the last 29 that it takes")
    interval: float = Field(0.8, gt=0, lt=1, description="Share of the cases in which the figure is to be within")
    min_change: float = Field(0.25, ge=0, lt=1, description="Told where it is that much more or less than of late")
    min_difference: float = Field(0.0, ge=0, description="And by as much money, or as many events, at the least")
    every_days: int = Field(7, ge=1, le=365, description="A user's is made and told once in so many days, at most")


class BanditModel(Model):
    """Which of a segment's recommendations to give: see `ubi_stream.models.bandit`."""

    policy: Literal["EpsilonGreedy", "UCB", "BayesUCB", "ThompsonSampling", "LinUCBDisjoint"] = "ThompsonSampling"
    context: tuple[Name, ...] = Field(
        (),
        max_length=7,
        description="Features that LinUCBDisjoint looks at; more take four times the space in snapshots",
    )
    explore: float = Field(0.1, gt=0, le=1, description="Share that is chosen at random, so that others can be judged")
    reward: Literal["conversion", "feedback"] = Field("conversion", description="What a good recommendation brings")
    horizon_h: float = Field(24, gt=0, le=2160, description="How long a reward is waited for")


class ModelsSpec(Model):
    """The models that run for each entity; a missing one does not run."""

    anomaly: AnomalyModel | None = None
    change: ChangeModel | None = None
    drift: DriftModel | None = None
    forecast: ForecastModel | None = None
    bandit: BanditModel | None = None
    peers: Literal["all", "segment"] = Field("all", description="Whom explanations and beyond_peers compare with")
    candidates: tuple[CandidateModel, ...] = Field((), max_length=32, description="Further models, by task")
    budget_us: float = Field(60.0, gt=0, description="Most that the default tier's candidates may cost for an event")
    costly: bool = Field(False, description="Run the costly tier's candidates too, whatever they cost")

    @model_validator(mode="after")
    def _candidates_fit_the_budget(self) -> ModelsSpec:
        check_candidates(self.candidates, budget_us=self.budget_us, costly=self.costly)
        return self

    @model_validator(mode="after")
    def _candidates_have_something_to_join(self) -> ModelsSpec:
        joined = {"anomaly": "anomaly", "change": "drift", "forecast": "forecast"}
        for candidate in self.candidates:
            table = joined.get(candidate.task)
            if table and getattr(self, table) is None:
                raise ValueError(f"candidate {candidate.name!r} of task = {candidate.task!r} needs [models.{table}]")
        return self
