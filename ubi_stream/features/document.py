"""The page about features, made from the registry: `python -m ubi_stream.features.document > docs/features.md`."""

from __future__ import annotations

from typing import Final

from ubi_stream.features.registry import Feature, all_features

_HEAD: Final = """# Features

Numbers about one entity, taken right after each of its events. A pack lists those that it uses, in
`entities.features`; segments and rules name them in their conditions, models look at them, explanations quote them.

A feature that has no value yet is missing: it meets no condition, and is `null` where it is written. *Range* is what
the anomaly model tells apart: values beyond count as the bound, so it bounds no value that you see. *Windows* says
which kind of `entities.windows` a feature needs, if any. A day's window of panes reaches back 23 to 24 hours, one of 7
or 30 days 6 to 7 or 29 to 30 days: the pane that is still open counts as whole.

This page is made from the code (`python -m ubi_stream.features.document`), and a test holds the two together. Your own
features come from a Python package with an entry point in the group `ubi_stream.features`: a module whose import calls
`ubi_stream.features.registry.feature`.

| feature | meaning | unit | range | windows |
|---|---|---|---|---|
"""


def features_page() -> str:
    """The page as Markdown: a line for each feature, by name."""
    shipped = (feature for _, feature in sorted(all_features().items()))
    return _HEAD + "".join(_line(feature) for feature in shipped)


def _line(feature: Feature) -> str:
    scale = ", by ratio" if feature.scale == "log" else ""
    extent = f"{feature.low:,.10g} to {feature.high:,.10g}{scale}"
    cells = (f"`{feature.name}`", feature.meaning, feature.unit, extent, feature.windows or "any")
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(features_page(), end="")
