"""What all parts of a pack share."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
EventType = Annotated[str, Field(pattern=r"^[A-Za-z$][A-Za-z0-9_.:$ -]{0,99}$")]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
Compare = Callable[[Any, Any], bool]
COMPARE: Final[Mapping[Operator, Compare]] = MappingProxyType(
    {
        ">": operator.gt,
        ">=": operator.ge,
        "<": operator.lt,
        "<=": operator.le,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
SeverityName = Literal["info", "low", "medium", "high"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("unknown time zone; expected an IANA name such as 'Europe/Berlin'") from None
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]
"""IANA name of a time zone."""
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
"""ISO 4217 code of a currency."""


class Model(BaseModel):
    """Base of all parts: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


def no_twins(where: str, names: Sequence[str]) -> None:
    """Refuse a name that is listed twice; `where` says in which list."""
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"{where}: {', '.join(map(repr, twins))} listed twice")
