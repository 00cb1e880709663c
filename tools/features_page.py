"""The page about features, made from the registry: `python -m tools.features_page > docs/features.md`."""

from __future__ import annotations

from typing import Final

from ubi_stream.features.registry import Feature, shipped_features

_HEAD: Final = """# Features

Numbers about one entity, taken right after each of its events. A pack lists those that it uses, in
`entities.features`; segments and rules name them in their conditions, models look at them, explanations quote them.

A feature that has no value yet is missing: it meets no condition, and is `null` where it is written. *Range* is what
the anomaly model tells apart: values beyond count as the bound, so it bounds no value that you see. *Windows* says
which kind of `entities.windows` a feature needs, if any. A day's window of panes reaches back 23 to 24 hours, one of 7
or 30 days 6 to 7 or 29 to 30 days: the pane that is still open counts as whole.

This page is made from the code (`python -m tools.features_page`), and a test holds the two together.

## Your own features

Most need no code: a pack [declares them](packs.md#features-numbers-that-the-pack-declares). Where that is not enough,
write one in Python. A feature is a function of the entity's state, the time of its newest event and the pack's plan.
`ubi_stream.extend` has all that it may import, and says which parts of state and plan stay as they are.
Write it in a package of your own, `our_features.py`:

```python
from ubi_stream.extend import MISSING, EntityState, PackPlan, feature


@feature(
    "evening_share",
    unit="share",
    high=1,
    meaning="Share of all events between 18:00 and midnight local time",
    title="activity in the evening",
)
def evening_share(state: EntityState, at_ms: int, plan: PackPlan) -> float:
    if state.events < 5:
        return MISSING
    return sum(state.hour_profile[18:]) / sum(state.hour_profile)
```

and name the module by an entry point, in its `pyproject.toml`:

```toml
[project]
name = "our-features"
version = "1.0"

[project.entry-points."ubi_stream.features"]
our_shop = "our_features"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
```

Installed beside `ubi-stream` (`pip install .`), it can be listed in `entities.features` of any pack; `ubi pack check`
tries it on states like those of a stream. What it must keep to, or a replay would differ: no clock, no random numbers,
nothing from outside; it changes nothing; it returns a number, or `MISSING` where there is none yet. An event at which
it raises becomes a dead letter. A pack is data only and names no modules: whoever may change a pack can't run code by
it.

## All features

| feature | meaning | unit | range | windows |
|---|---|---|---|---|
"""


def features_page() -> str:
    """The page as Markdown: a line for each feature, by name."""
    shipped = (feature for _, feature in sorted(shipped_features().items()))
    return _HEAD + "".join(_line(feature) for feature in shipped)


def _line(feature: Feature) -> str:
    scale = ", by ratio" if feature.scale == "log" else ""
    extent = f"{feature.low:,.10g} to {feature.high:,.10g}{scale}"
    cells = (f"`{feature.name}`", feature.meaning, feature.unit, extent, feature.windows or "any")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(features_page(), end="")
