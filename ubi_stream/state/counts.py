"""What became of a batch's events in the fold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FoldCounts:
    """Only new events are counted.

    `duplicates` changed nothing; `late` came after the watermark had passed them; `unmatched_labels` are labels of
    events that are not kept (any more); `foreign` name no entity of the kind that is folded; `erased` are of users who
    were erased, from before that; `redirected` are of ids that were merged into another user's.
    """

    duplicates: int = 0
    late: int = 0
    unmatched_labels: int = 0
    foreign: int = 0
    erased: int = 0
    redirected: int = 0
