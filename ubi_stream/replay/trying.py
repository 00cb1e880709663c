"""`ubi try FILE`: finds out how a file is to be read, runs it through the pipeline here, and shows what came of it."""

from __future__ import annotations

import heapq
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec

from ubi_stream.clock import Clock
from ubi_stream.data.forms.guess import (
    Ask,
    Asked,
    absent,
    fit_encoding,
    fit_numbers,
    fit_time,
    guess_mapping,
    place_types,
)
from ubi_stream.data.forms.recognise import recognise, renamed
from ubi_stream.data.forms.sample import ROWS, read_sample
from ubi_stream.data.records import FileRow
from ubi_stream.data.source import ReplaySource
from ubi_stream.data.transform import map_rows
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.write import mapping_text
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.account import Account
from ubi_stream.replay.offline_run import OfflineOutputs, OfflineSummary, describe, run_offline
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import pack_for

SHOWN_EVENTS: Final = 5
SHOWN_INSIGHTS: Final = 10
_SEVERITIES: Final = ("info", "low", "medium", "high")


class Proposal(msgspec.Struct, frozen=True):
    """How a file is to be read.

    Attributes
    ----------
    known_as
        Name of the shipped mapping for files of this form; None where none is.
    sentences
        What was found or guessed.
    """

    mapping: Mapping
    known_as: str | None
    pack: Pack
    settings: Settings
    sentences: list[str]


class Beside(msgspec.Struct, frozen=True):
    """A row as the file has it, and what it becomes."""

    row: str
    number: int
    becomes: str


class FileTrial(msgspec.Struct, frozen=True):
    """What came of a file: `rows` = `events` + `left_out`, where each row is one event.

    Attributes
    ----------
    insights
        The most worth seeing, the most severe first: `data` of their CloudEvents.
    sentences
        The account.
    """

    file: str
    mapping: str
    known_as: str | None
    pack: str
    beside: list[Beside]
    guesses: list[str]
    summary: OfflineSummary
    sentences: list[str]
    insights: list[dict[str, Any]]


def propose(path: Path, settings: Settings, asked: Asked, ask: Ask) -> Proposal:
    """Find out how a file is to be read: a form that is known, or by its columns.

    Raises
    ------
    ConfigError
        The file can't be read, or nothing in it looks like a time or a user.
    """
    sample, sentences = read_sample(path), list[str]()
    known = None if asked != Asked(timezone=asked.timezone) else recognise(sample)
    if known is None and sample.kind == "lines":
        raise ConfigError(
            f"file {path} is of no form that is known: expected a name ending in .csv, .tsv, .jsonl, .ndjson, .json or "
            ".parquet, with .gz or .zst behind it or not, or an access log"
        )
    settings = pack_for(settings, None if known is None else known.pack)
    pack = load_pack(settings.pack, nobody=settings.nobody)
    if known is None:
        mapping, found = guess_mapping(sample, pack, path.name.partition(".")[0] or "mine", asked, ask)
        sentences += found
    else:
        mapping = fit_numbers(fit_time(known, sample, sentences), sample, sentences)
    mapping = fit_encoding(mapping, sample, sentences)
    if (missing := absent(mapping, sample)) and mapping.file.columns is None:
        sentences.append(f"Not in this file: {', '.join(missing)}")
    placed = place_types(mapping, _types(path, mapping), pack, sentences)
    if _hides(placed) and not settings.hash_key:
        sentences.append("UBI_PII_KEY is not set: the hashes of people's addresses can be guessed")
    return Proposal(placed, None if known is None else known.name, pack, settings, sentences)


def write_mapping(mapping: Mapping, path: Path) -> Mapping:
    """Write a mapping's file; returns the mapping under that file's name.

    Raises
    ------
    ConfigError
        There is another file of that name, or it can't be written.
    """
    text = mapping_text(mapping)
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{path} is there already, and another: name a file with --mapping-out")
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping {path} can't be written: {error}") from error
    return renamed(mapping, path.stem)


def beside(path: Path, proposal: Proposal) -> list[Beside]:
    """The first rows that become events, as they stand, beside what they become."""
    mapping, shown = proposal.mapping, []
    with ReplaySource(path, mapping, key=proposal.settings.hash_key) as source:
        for row in islice(source.rows(), ROWS):
            records = list(map_rows(mapping, [row], key=proposal.settings.hash_key))
            if records:
                becomes = (records[0].value or b"").decode("utf-8", "replace")
                shown.append(Beside(_text(row), row.number, becomes))
            if len(shown) == SHOWN_EVENTS:
                break
    return shown


def run_try(
    path: Path, proposal: Proposal, clock: Clock, out: IO[bytes] | None, on_progress: Callable[[int, int], None]
) -> FileTrial:
    """Run a file through the pipeline, in the order of its times.

    Parameters
    ----------
    out
        Where insights are written besides, one a line.
    on_progress
        Called now and then with the bytes that were read, and the events.
    """
    account = Account()
    with (
        ReplaySource(path, proposal.mapping, sort=True, key=proposal.settings.hash_key) as source,
        tempfile.TemporaryFile() as insights,
    ):
        summary = run_offline(
            source,
            OfflineOutputs(cast(Any, insights)),
            account,
            pack=proposal.pack,
            settings=proposal.settings,
            clock=clock,
            on_progress=lambda events: on_progress(source.bytes_read, events),
        )
        insights.seek(0)
        worth = _most_worth(insights, out)
    return FileTrial(
        file=path.name,
        mapping=mapping_text(proposal.mapping),
        known_as=proposal.known_as,
        pack=proposal.pack.name,
        beside=beside(path, proposal),
        guesses=proposal.sentences,
        summary=summary,
        sentences=[adds_up(summary, proposal.mapping), *describe(summary, account, proposal.pack)],
        insights=worth,
    )


def adds_up(summary: OfflineSummary, mapping: Mapping) -> str:
    """Where every row went, in numbers."""
    left_out, letters = sum(summary.rows_left_out.values()), summary.dead_letters
    good = summary.events - letters
    rows = f"{summary.rows:,} rows" + (f" ({mapping.events_per_row} events each)" if mapping.also else "")
    return f"{rows} = {good:,} events + {letters:,} dead letters + {left_out:,} left out"


def _most_worth(lines: IO[bytes], out: IO[bytes] | None) -> list[dict[str, Any]]:
    def read() -> Iterator[dict[str, Any]]:
        for line in lines:
            if out is not None:
                out.write(line)
            data: dict[str, Any] = msgspec.json.decode(line)["data"]
            yield data

    return heapq.nlargest(SHOWN_INSIGHTS, read(), key=_weight)


def _weight(insight: dict[str, Any]) -> tuple[int, float, float]:
    return _SEVERITIES.index(insight["severity"]), insight["confidence"] or 0.0, insight["score"] or 0.0


def _types(path: Path, mapping: Mapping) -> list[str]:
    """Event types of the first rows, the commonest first."""
    found: Counter[str] = Counter()
    with ReplaySource(path, mapping) as source:
        for record in islice(source, ROWS):
            try:
                found[str(msgspec.json.decode(record.value or b"")["event_type"])] += 1
            except (msgspec.DecodeError, KeyError, TypeError):
                continue
    return [name for name, _ in found.most_common()]


def _hides(mapping: Mapping) -> bool:
    return mapping.event is not None and any(one.hash for one in mapping.event.user_id.alternatives())


def _text(row: FileRow) -> str:
    raw = row.raw or repr(row.values)
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
