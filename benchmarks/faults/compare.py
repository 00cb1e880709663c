"""The comparison: what must be, and what is; every difference counted under its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Final

from benchmarks.faults.oracle import Expected, Figures
from benchmarks.faults.reference import Reference
from benchmarks.faults.topics import Delivered

_EXAMPLES: Final = 10


@dataclass
class Verdict:
    """Differences; all zero where nothing was lost and nothing counted twice.

    `lost` and `doubled` are events missing from or too many in the entities' states (or the log itself);
    `wrong_windows` are windows and visits that differ, of entities, of panes, and rows of visits; an insight that is
    doubled is in Postgres or on the topic with another content, or should not be there. `examples` say what the first
    ones were.
    """

    lost: int = 0
    doubled: int = 0
    wrong_windows: int = 0
    insights_missing: int = 0
    insights_doubled: int = 0
    dead_letters_missing: int = 0
    examples: list[str] = field(default_factory=list, compare=False)

    @property
    def clean(self) -> bool:
        """Whether there is no difference."""
        return not any(getattr(self, column) for column in COLUMNS)

    def add(self, column: str, what: str, count: int = 1) -> None:
        """Count differences, if any, and keep what they were."""
        setattr(self, column, getattr(self, column) + count)
        if count and len(self.examples) < _EXAMPLES:
            self.examples.append(f"{column}: {what}")

    def add_each(self, column: str, what: str, ids: Iterable[object]) -> None:
        """Count one difference for each id."""
        for id_ in ids:
            self.add(column, f"{what} {id_}")


COLUMNS: Final = tuple(column.name for column in fields(Verdict) if column.name != "examples")


def compare_figures(verdict: Verdict, expected: Expected, found: dict[str, dict[str, Figures]]) -> None:
    """Events, labels, windows and visits of every entity."""
    for entity, wanted in expected.figures.items():
        ids = (wanted.keys() | found[entity].keys()) - expected.forgettable[entity]
        for entity_id in ids:
            name = f"{entity} {entity_id}"
            _compare_entity(verdict, name, wanted.get(entity_id), found[entity].get(entity_id))


def _compare_entity(verdict: Verdict, name: str, wanted: Figures | None, found: Figures | None) -> None:
    if wanted is None or found is None:
        verdict.add("lost", f"{name} has no state", wanted.events + wanted.labels if wanted else 0)
        verdict.add("doubled", f"{name} should have no state", found.events + found.labels if found else 0)
        return
    for want, have in ((wanted.events, found.events), (wanted.labels, found.labels)):
        verdict.add("lost", f"{name} has {have} of {want}", max(0, want - have))
        verdict.add("doubled", f"{name} has {have} of {want}", max(0, have - want))
    wrong = [window for window in wanted.windows if found.windows.get(window) != wanted.windows[window]]
    if wanted.conversions != found.conversions:
        wrong.append("conversions")
    if wanted.visits is not None and wanted.visits != found.visits:
        wrong.append("visits")
    verdict.add_each("wrong_windows", name, wrong)


def compare_letters(verdict: Verdict, expected: Expected, delivered: Delivered) -> None:
    """Dead letters, on the topic and in Postgres: each with its reason, and no other."""
    for place, found in (("topic", delivered.topic_letters), ("Postgres", delivered.letters)):
        wrong = {id_ for id_, reason in expected.dead_letters.items() if found.get(id_) != reason}
        verdict.add_each("dead_letters_missing", place, wrong)
        verdict.add_each(
            "lost", f"a good event is a dead letter, {place}:", found.keys() - expected.dead_letters.keys()
        )


def compare_insights(verdict: Verdict, delivered: Delivered, reference: Reference | None) -> None:
    """Insights on the topic and in Postgres, and the panes.

    Without a reference (the broker chose the order between topics, or models were started anew on purpose) what is on
    the topic must be in Postgres, once.
    """
    topic, rows = delivered.topic_insights, Counter(id_ for id_, _ in delivered.insights)
    verdict.add_each("insights_doubled", "two rows of", (rows - Counter(rows.keys())).elements())
    wanted = topic.keys() if reference is None else reference.insights.keys()
    verdict.add_each("insights_missing", "no row of", wanted - rows.keys())
    verdict.add_each("insights_doubled", "unwanted row", rows.keys() - wanted)
    if reference is None:
        return
    several = [id_ for id_, contents in topic.items() for _ in range(len(contents) - 1)]
    verdict.add_each("insights_doubled", "several contents on the topic of", several)
    other = [id_ for id_, content in reference.insights.items() if content not in topic.get(id_, ())]
    verdict.add_each("insights_missing", "not so on the topic:", other)
    verdict.add_each("insights_doubled", "unwanted on the topic:", topic.keys() - wanted)
    rows_of = reference.rows
    verdict.add_each(
        "insights_doubled",
        "another row of",
        [id_ for id_, predicted in delivered.insights if rows_of.get(id_, predicted) != predicted],
    )
    cells = delivered.windows.keys() | reference.windows.keys()
    wrong = [cell for cell in cells if delivered.windows.get(cell) != reference.windows.get(cell)]
    verdict.add_each("wrong_windows", "five-minute count", wrong)
    visits = delivered.visits.keys() | reference.visits.keys()
    other_visits = [id_ for id_ in visits if delivered.visits.get(id_) != reference.visits.get(id_)]
    verdict.add_each("wrong_windows", "another row of the visit", other_visits)
