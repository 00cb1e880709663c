"""How long rows are kept in the database: a pack's section `[retention]`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ubi_stream.packs.base import Model

Days = Annotated[float, Field(gt=0, le=36_500)]


class Retention(Model):
    """Days, by event time; what has none is kept for ever."""

    insights: Days | None = Field(None, description="Insights; receipts of erasures stay")
    visits: Days | None = Field(None, description="Visits, by their end")
    recommendations: Days | None = Field(None, description="Choices, rewards and answers")
    dead_letters: Days | None = Field(None, description="The index of dead letters, by the arrival of the record")
    windows: Days | None = Field(None, description="Counts of panes; totals stay")
    audit: Days | None = Field(None, description="Who asked for what")
