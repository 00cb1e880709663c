"""What comes out of the pipeline: everything that has to be delivered, and counts of what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ubi_stream.events.model import DeadLetter, Event, Findings, Headers, NotKept, Unwanted
from ubi_stream.features.stage import Featurized
from ubi_stream.insights.model import FeatureRow, Insight, WindowCount
from ubi_stream.insights.recommendations import RecommendationOutput
from ubi_stream.insights.visits import VisitOutput
from ubi_stream.packs.plan import Plan
from ubi_stream.privacy.filter import PropertyFinding
from ubi_stream.state.counts import FoldCounts
from ubi_stream.state.stage import StateChange


class BatchResult(NamedTuple):
    """A batch of moments with their features, and what is told of it."""

    batch: Featurized
    insights: list[Insight]
    windows: list[WindowCount]
    visits: list[VisitOutput]
    recommendations: list[RecommendationOutput]
    shared: dict[int, dict[str, float]]
    """By offset of an event, the scores that it takes along to its user."""


class Forward(msgspec.Struct, frozen=True):
    """A record for the partition of another entity, or of the user whose id the key should have been."""

    entity: str
    key: bytes
    value: bytes
    headers: Headers


_COUNTS: Final = (
    "duplicates", "replayed", "unwanted", "erased", "moved", "late", "unmatched_labels", "unknown_fields"
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Counts of a batch; metrics and reports add them up.

    Every record is in exactly one of `accepted` (by event type), `dead_letters` (by reason), `duplicates`, `unwanted`
    (dropped by the pack's wish, or about no entity of this kind), `withheld` (its user gave no consent, or is not to be
    tracked; by reason), `erased` (of before its user was erased), `moved` (it belongs to another partition) and
    `replayed` (it was counted before a restart, or forwarded twice). `late` are among the accepted.
    """

    accepted: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    replayed: int = 0
    unwanted: int = 0
    erased: int = 0
    moved: int = 0
    late: int = 0
    unmatched_labels: int = 0
    unknown_fields: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    personal_data: Counter[PropertyFinding] = field(default_factory=Counter)
    """Records with personal data, by property, rule and what was done."""

    def add(self, other: Tally) -> None:
        """Add another batch's counts."""
        self.accepted.update(other.accepted)
        self.dead_letters.update(other.dead_letters)
        self.withheld.update(other.withheld)
        self.personal_data.update(other.personal_data)
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything that one batch of records brings about besides changes of state."""

    tally: Tally
    insights: list[Insight]
    dead_letters: list[DeadLetter]
    forwards: list[Forward]
    windows: list[WindowCount]
    features: list[FeatureRow]
    visits: list[VisitOutput] = field(default_factory=list)
    recommendations: list[RecommendationOutput] = field(default_factory=list)

    @classmethod
    def nothing(cls) -> Effects:
        """No effects yet."""
        return cls(Tally(), [], [], [], [], [])


def tally(  # noqa: PLR0913 - named by keyword, each of its own kind
    records: int,
    changes: Iterable[StateChange],
    counts: FoldCounts,
    *,
    letters: list[DeadLetter],
    unwanted: list[Unwanted],
    not_kept: list[NotKept],
    findings: list[Findings],
    misrouted: list[Event],
    unknown_fields: int,
    plan: Plan,
) -> Tally:
    """Count a batch of so many records; of what the batch came to (`letters` and so on) only what is new is given."""
    accepted = Counter(plan.type_name(m.event.event_type) for m in changes if m.new and m.event is not None)
    moved = counts.redirected + len(misrouted)
    others = counts.duplicates + counts.foreign + counts.erased + moved
    others += len(letters) + len(unwanted) + len(not_kept)
    return Tally(
        accepted=accepted,
        dead_letters=Counter(letter.reason.value for letter in letters),
        duplicates=counts.duplicates,
        replayed=records - accepted.total() - others,
        unwanted=len(unwanted) + counts.foreign,
        erased=counts.erased,
        moved=moved,
        late=counts.late,
        unmatched_labels=counts.unmatched_labels,
        unknown_fields=unknown_fields,
        withheld=Counter(event.reason.value for event in not_kept),
        personal_data=Counter(found for one in findings for found in one.found),
    )
