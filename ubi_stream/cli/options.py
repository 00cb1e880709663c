"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

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
SortRows = Annotated[
    bool, typer.Option("--sort", help="Put the file in the order of its times first; on disk where it is large.")
]
DeadLettersAllowed = Annotated[
    str,
    typer.Option(
        "--allow-dead-letters",
        help="Share of the events that may be dead letters before the status is 1.",
        metavar="N%",
    ),
]


class FileRun(NamedTuple):
    """A file to replay, and how.

    Attributes
    ----------
    allowed
        Share of the events that may be dead letters before the status is 1.
    sort
        Whether the file is put in the order of its times first.
    as_json
        Whether the account is for a program.
    """

    path: Path
    mapping: str
    allowed: float
    sort: bool
    as_json: bool


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
Broker = Annotated[
    str | None, typer.Option("--broker", help="Kafka. Default: UBI_BROKER.", metavar="HOST:PORT", show_default=False)
]
Dsn = Annotated[
    str | None,
    typer.Option("--dsn", help="Postgres. Default: UBI_POSTGRES_DSN.", metavar="ADDRESS", show_default=False),
]
WebUrl = Annotated[
    str | None,
    typer.Option(
        "--web-url",
        help="A worker's views. Default: from UBI_WEB_HOST and UBI_WEB_PORT.",
        metavar="URL",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many, at most.")]


def parse_share(text: str) -> float:
    """Read a share that a user typed, in per cent.

    Raises
    ------
    typer.BadParameter
        It is none.

    >>> parse_share("50%"), parse_share("2.5")
    (0.5, 0.025)
    """
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise typer.BadParameter(f"--allow-dead-letters {text}: expected a share such as 5%, up to 100%")
    return share


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
