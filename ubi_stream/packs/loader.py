"""Finds and reads pack files."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ubi_stream.errors import ConfigError, likely
from ubi_stream.packs.overlay import Table, overlaid
from ubi_stream.packs.schema import Pack
from ubi_stream.resources import config_dir


def shipped_packs() -> dict[str, Path]:
    """Names and files of the packs that come with the product; not their overlays, `PACK.WHICH.toml`."""
    return {path.stem: path for path in _shipped_files() if "." not in path.stem}


def shipped_overlays() -> dict[str, Path]:
    """Names and files of the shipped overlays of packs: `ecommerce.de` is the shop's pack in German."""
    return {path.stem: path for path in _shipped_files() if "." in path.stem}


def load_pack(name_or_path: str, *, nobody: Collection[str] = ()) -> Pack:
    """Read a shipped pack by its name, or any pack by the path of its file.

    `nobody` are ids that stand for nobody, besides those of the pack.

    Raises
    ------
    ConfigError
        No such pack, or it is wrong: the message says the key, the value and what was expected.
    """
    pack = _checked(*_content(name_or_path, beside=Path(), through=()))
    if not nobody:
        return pack
    events = pack.events.model_copy(update={"nobody": (*pack.events.nobody, *nobody)})
    return pack.model_copy(update={"events": events})


def parse_pack(text: str, *, where: str) -> Pack:
    """Check the text of a pack file; `where` names it in messages. It is one that extends no other."""
    return _checked(_parsed(text, where), where)


def _shipped_files() -> list[Path]:
    return sorted((config_dir() / "packs").glob("*.toml"))


def _content(name_or_path: str, *, beside: Path, through: tuple[str, ...]) -> tuple[Table, str]:
    """What a pack comes to with all that it extends, and its file. Paths are relative to the folder `beside`."""
    shipped = shipped_packs() | shipped_overlays()
    path = shipped.get(name_or_path, beside / name_or_path)
    if str(path) in through:
        raise ConfigError(f"pack {path} extends itself: {' extends '.join((*through, str(path)))}")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        there_are = f"{likely(name_or_path, shipped)}shipped are {', '.join(shipped)}; or give a file's path"
        raise ConfigError(f"no pack {name_or_path!r}: {there_are} ({path}: {error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"pack {path} is not UTF-8: {error}") from error
    content = _parsed(text, str(path))
    if (extended := content.pop("extends", None)) is not None:
        if not isinstance(extended, str):
            raise ConfigError(f"pack {path} is wrong: extends = {_short(extended)}: expected a pack's name or path")
        base, _ = _content(extended, beside=path.parent, through=(*through, str(path)))
        content = overlaid(base, content)
    return content, str(path)


def _parsed(text: str, where: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"pack {where} is not TOML: {error}") from error


def _checked(content: Table, where: str) -> Pack:
    try:
        return Pack.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"pack {where} is wrong: {'; '.join(map(_mistake, error.errors()))}") from error


def _mistake(item: ErrorDetails) -> str:
    """Key, value and what was expected. Of a whole table the value is left out: it would bury the sentence."""
    key, predicted = ".".join(str(part) for part in item["loc"]), item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        predicted = "there is no such key; docs/packs.md lists those there are"
    if isinstance(item["input"], dict):
        return f"{key}: {predicted}" if key else predicted
    return f"{key} = {_short(item['input'])}: {predicted}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
