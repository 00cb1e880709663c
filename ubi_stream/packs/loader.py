"""Finds and reads pack files."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

from ubi_stream.errors import ConfigError
from ubi_stream.packs.schema import Pack
from ubi_stream.resources import config_dir


def shipped_packs() -> dict[str, Path]:
    """Names and files of the packs that come with the product."""
    return {path.stem: path for path in sorted((config_dir() / "packs").glob("*.toml"))}


def load_pack(name_or_path: str) -> Pack:
    """Read a shipped pack by its name, or any pack by the path of its file.

    Raises
    ------
    ConfigError
        No such pack, or it is wrong: the message says the key, the value and what was expected.
    """
    shipped = shipped_packs()
    path = shipped.get(name_or_path, Path(name_or_path))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"no pack {name_or_path!r}: shipped are {', '.join(shipped)}; or give a file's path"
        ) from error
    return parse_pack(text, where=str(path))


def parse_pack(text: str, *, where: str) -> Pack:
    """Check the text of a pack file; `where` names it in messages."""
    try:
        return Pack.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"pack {where} is not TOML: {error}") from error
    except ValidationError as error:
        lines = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'pack'} = {_short(item['input'])}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"pack {where} is wrong: {lines}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
