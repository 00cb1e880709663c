"""A figure that has another level than before, and what that is taken for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ubi_stream.models.drift.metrics import WatchedMetric
from ubi_stream.models.drift.occasions import Watched
from ubi_stream.packs.candidates import DRIFT_DETECTORS

OURS: Final = DRIFT_DETECTORS[0]
"""The detector of blocks, which always runs."""


class DriftVerdict(StrEnum):
    """What a drift is taken for."""

    USERS_CHANGED = "users_changed"
    TRACKING_BROKE = "tracking_broke"


@dataclass(frozen=True, slots=True)
class Drift:
    """A figure that has another level than before.

    Attributes
    ----------
    before, after
        What was usual at this hour, and what is now.
    since_ms
        Watermark at which the first block of the change ended.
    blocks
        Blocks since.
    entities
        Entities in a block, about.
    action
        What was done: the figure's level was set anew (`reset`), or nothing (`kept`).
    detector
        Which one spoke: of blocks, of tracking, or one of the pack.
    watched, hits
        Where it is about tracking, the share that shows it, and how many of the users' events were hits; `entities`
        counts all of them.
    others
        Other subjects that moved at the same time.
    """

    subject: WatchedMetric
    before: float
    after: float
    since_ms: int
    blocks: int
    entities: int
    verdict: DriftVerdict
    action: str
    detector: str = OURS
    watched: Watched | None = None
    hits: int = 0
    others: tuple[WatchedMetric, ...] = ()
