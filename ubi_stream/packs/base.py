"""What all parts of a pack share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
EventType = Annotated[str, Field(pattern=r"^[A-Za-z$][A-Za-z0-9_.:$ -]{0,99}$")]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
SeverityName = Literal["info", "low", "medium", "high"]


class Model(BaseModel):
    """Base of all parts: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def no_twins(where: str, names: Sequence[str]) -> None:
    """Refuse a name that is listed twice; `where` says in which list."""
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"{where}: {', '.join(map(repr, twins))} listed twice")
