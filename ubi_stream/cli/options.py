"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PackName = Annotated[
    str | None,
    typer.Option("--pack", help="Name of a shipped pack, or path of a pack file. Default: UBI_PACK.", metavar="NAME"),
]
MappingName = Annotated[
    str | None,
    typer.Option(
        "--mapping",
        "-m",
        help="Name of a shipped mapping, or path of a .toml file: which column of the file is what.",
        metavar="NAME",
    ),
]
SpeedText = Annotated[
    str,
    typer.Option(
        "--speed",
        help="How fast: max, realtime (the pace of the events' own times), or a factor such as 60.",
        metavar="max|realtime|N",
    ),
]
OutFile = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Write JSON Lines to this file instead; - is standard output.",
        metavar="FILE",
        show_default=False,
    ),
]
