"""What a pack says, as far as it matters for counting: read from its file, with the defaults of `docs/packs.md`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


_NOBODY: Final = (
    *("undefined", "null", "(null)", "none", "nil", "nan", "n/a", "(not set)", "anonymous", "[object object]"),
    "00000000-0000-0000-0000-000000000000",
)


@dataclass(frozen=True)
class EntityRules:
    """What a pack says about one kind of entity."""

    name: str
    key: str | None
    types: tuple[str, ...]
    exact: bool
    delay_ms: int
    max_events: int


@dataclass(frozen=True)
class Rules:
    """What a pack says, as far as it matters for counting."""

    types: tuple[str, ...]
    unknown: str
    max_age_ms: int
    nobody: frozenset[str]
    limits: dict[str, dict[str, Any]]
    roles: dict[str, Any]
    session_gap_ms: int
    retention_ms: int
    dedup_ms: int
    dedup_max_ids: int
    entities: tuple[EntityRules, ...]

    @classmethod
    def read(cls, path: Path) -> Rules:
        """Read a pack's file, with the defaults of `docs/packs.md`."""
        pack = tomllib.loads(path.read_text(encoding="utf-8"))
        events, times = pack["events"], pack.get("times", {})
        return cls(
            types=tuple(events["types"]),
            unknown=events.get("unknown", "dead_letter"),
            max_age_ms=int(events.get("max_age_days", 7300) * DAY_MS),
            nobody=frozenset(name.casefold() for name in events.get("nobody", _NOBODY)),
            limits=events.get("limits", {}),
            roles=events.get("roles", {}),
            session_gap_ms=round(times.get("session_gap_min", 30) * MINUTE_MS),
            retention_ms=round(times.get("retention_days", 90) * DAY_MS),
            dedup_ms=round(times.get("dedup_window_h", 24) * HOUR_MS),
            dedup_max_ids=times.get("dedup_max_ids", 1000),
            entities=tuple(
                EntityRules(
                    name=entity["name"],
                    key=entity.get("key"),
                    types=tuple(entity.get("types", ())),
                    exact=entity.get("windows", "paned") == "exact",
                    delay_ms=round(entity.get("delay_days", 0) * DAY_MS),
                    max_events=entity.get("exact_max_events", 5000),
                )
                for entity in pack["entities"]
            ),
        )
