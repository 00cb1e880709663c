"""A mapping as the text of its file."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ubi_stream.mappings.model import Mapping

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDE: Final = 110


def mapping_text(mapping: Mapping) -> str:
    """TOML that reads back as the same mapping, but for its name.

    >>> print(mapping_text(Mapping.model_validate({"description": "Ours", "rows_are_events": True})), end="")
    description = "Ours"
    rows_are_events = true
    """
    table = mapping.model_dump(mode="json", exclude_defaults=True)
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not _is_table(value)]
    for name, part in table.items():
        if isinstance(part, dict):
            lines += ["", f"[{_key(name)}]", *_lines(part)]
        elif _is_table(part):
            for one in part:
                lines += ["", f"[[{_key(name)}]]", *_lines(one)]
    return "\n".join(lines) + "\n"


def _lines(table: dict[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(_short(value))}" for key, value in table.items()]


def _short(value: Any) -> Any:
    """A value that is a column alone is written as its name."""
    return value["column"] if isinstance(value, dict) and value.keys() == {"column"} else value


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(_short(part))}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        parts = [_value(_short(part)) for part in value]
        text = f"[{', '.join(parts)}]"
        return text if len(text) <= _WIDE else "[\n  " + ",\n  ".join(parts) + ",\n]"
    # A basic string of TOML is one of JSON, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
