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


def mapping_for(file: Path | None, mapping: str | None) -> str:
    """Name of the mapping to read a file with: `own` unless one was asked for, or the file can't be of that form.

    Raises
    ------
    typer.BadParameter
        A CSV file, whose columns only a mapping can tell: as `own`, each row would become a dead letter.
    """
    if mapping is None and file is not None and ".csv" in file.suffixes[-2:]:
        raise typer.BadParameter(
            f"{file.name} needs --mapping: which column of a CSV file is what; docs/mappings.md shows how to write one"
        )
    return mapping or "own"
