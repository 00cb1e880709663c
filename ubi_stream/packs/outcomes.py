"""Outcomes of a pack: what may become of a user, to be predicted and, when it is known, learned from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ubi_stream.packs.base import EventType, Model, Name, SeverityName


class Outcome(Model):
    """A question with the answer yes or no, asked of users at their events.

    `by` says what answers it: the end of the `visit` (was one of `types` in it?), an `event` of one of `types` within
    the horizon, a `return` (another visit begins within the horizon), or a `label`, a `$label` event that names the
    event asked at by `events.roles.reference` and says yes or no in `events.roles.outcome`. No answer within the
    horizon is a no. What has a horizon is learned when the horizon ends, a yes as well as a no.
    """

    name: Name
    entity: Name = Field("user", description="Kind of entity that it is about")
    by: Literal["visit", "event", "return", "label"]
    types: tuple[EventType, ...] = Field((), description="Event types that are a yes, for `visit` and `event`")
    within_h: float | None = Field(None, gt=0, le=2160, description="Horizon in hours; a visit has its own")
    max_open: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Open questions of one user: 16 for `label`, where the oldest give way, else 4",
    )
    warm_up: int = Field(100, ge=0, description="Labels that a model must have learned before it is believed")
    min_per_class: int = Field(10, ge=1, description="So many of them that are a yes, and so many that are a no")
    tell_above: float | None = Field(None, gt=0, lt=1, description="Probability from which on users are told about")
    cool_down_min: float = Field(1440, ge=0)
    severity: SeverityName = "info"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Outcome:
        if (self.by == "visit") != (self.within_h is None):
            wanted = "no within_h: a visit ends by itself" if self.by == "visit" else "within_h, its horizon in hours"
            raise ValueError(f"outcome {self.name!r} by {self.by!r} needs {wanted}")
        if (self.by in ("visit", "event")) != bool(self.types):
            wanted = "types, those that are a yes" if self.by in ("visit", "event") else "no types"
            raise ValueError(f"outcome {self.name!r} by {self.by!r} needs {wanted}")
        return self

    def check(self, types: tuple[str, ...], *, labelled: bool, retention_h: float) -> None:
        """Refuse what the pack's events can't answer; `labelled` says whether it has roles for labels.

        Raises
        ------
        ValueError
            A type that the pack has not, labels that it can't read, or a horizon beyond what is remembered.
        """
        for name in self.types:
            if name not in types:
                raise ValueError(f"outcome {self.name!r} lists type {name!r}, which is not among events.types")
        if self.by == "label" and not labelled:
            raise ValueError(f"outcome {self.name!r}: labels need events.roles.reference and events.roles.outcome")
        if (self.within_h or 0) > retention_h:
            raise ValueError(f"outcome {self.name!r}: within_h is longer than times.retention_days")
