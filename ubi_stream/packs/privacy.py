"""What a pack says about personal data: its section `[privacy]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ubi_stream.packs.base import Model, Name, no_twins
from ubi_stream.privacy.rules import MAX_TEXT

ActionName = Literal["keep", "mask", "hash", "truncate", "drop"]
Property = Annotated[str, Field(min_length=1, max_length=256)]


class TextActions(Model):
    """What to do with personal data that is recognised in texts."""

    email: ActionName = "mask"
    phone: ActionName = "mask"
    card: ActionName = "mask"
    ip: ActionName = "mask"


class Hiding(Model):
    """What is hidden besides: for the whole pack, or for one source of events."""

    secrets: tuple[Property, ...] = Field((), description="Names whose values are hidden whole, besides the usual ones")
    properties: dict[Property, ActionName] = Field(
        {}, description="What to do with properties, by name; `context.NAME` for those of the context"
    )
    keep: tuple[Property, ...] | None = Field(
        None, description="Properties that are kept; others, but for those that the pack names, are dropped"
    )
    filters: tuple[Name, ...] = Field((), description="Filters of installed extensions, applied to every text")


class SourceHiding(Hiding):
    """What is hidden of the events of one source, besides what the pack hides."""

    name: Annotated[str, Field(min_length=1, max_length=100, description="Name of the source")]


class Privacy(Hiding):
    """Personal data: what never gets further than the first look at an event."""

    on_secret: Literal["mask", "hash", "drop"] = "mask"
    text: TextActions = TextActions()
    max_text: int = Field(MAX_TEXT, ge=16, le=32_768, description="Characters of a text; the rest is cut off")
    allow: tuple[Property, ...] = Field((), description="Properties that are left as they are, and reported")
    consent: Literal["ignore", "respect", "require"] = Field(
        "respect", description="What context.consent means: nothing, false withholds an event, or only true lets it in"
    )
    sources: tuple[SourceHiding, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing_of_a_property(self) -> Privacy:
        no_twins("sources", [source.name for source in self.sources])
        for name in self.allow:
            if name in self.properties:
                raise ValueError(f"allow names {name!r}, which properties has another action for")
        return self
