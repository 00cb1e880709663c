"""The comparison: what must be, and what is; every difference counted under its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from benchmarks.faults.oracle import Expected, Figures
from benchmarks.faults.reference import Reference
from benchmarks.faults.topics import Delivered


@dataclass
class Verdict:
    """Differences; all zero where nothing was lost and nothing counted twice.

    `lost` and `doubled` are events missing from or too many in the entities' states (or the log itself);
    `wrong_windows` are windows and visits that differ, of entities and of panes; an insight that is doubled is in
    Postgres or on the topic with another content, or should not be there.
    """

    lost: int = 0
    doubled: int = 0
    wrong_windows: int = 0
    insights_missing: int = 0
    insights_doubled: int = 0
    dead_letters_missing: int = 0

    @property
    def clean(self) -> bool:
        """Whether there is no difference."""
        return not any(asdict(self).values())


def compare_figures(verdict: Verdict, expected: Expected, found: dict[str, dict[str, Figures]]) -> None:
    """Events, labels, windows and visits of every entity."""
    for entity, wanted in expected.figures.items():
        ids = (wanted.keys() | found[entity].keys()) - expected.forgettable[entity]
        for entity_id in ids:
            _compare_entity(verdict, wanted.get(entity_id), found[entity].get(entity_id))


def _compare_entity(verdict: Verdict, wanted: Figures | None, found: Figures | None) -> None:
    if wanted is None or found is None:
        verdict.lost += wanted.events + wanted.labels if wanted else 0
        verdict.doubled += found.events + found.labels if found else 0
        return
    for want, have in ((wanted.events, found.events), (wanted.labels, found.labels)):
        verdict.lost += max(0, want - have)
        verdict.doubled += max(0, have - want)
    verdict.wrong_windows += sum(found.windows.get(name) != window for name, window in wanted.windows.items())
    verdict.wrong_windows += wanted.conversions != found.conversions
    verdict.wrong_windows += wanted.visits is not None and wanted.visits != found.visits


def compare_letters(verdict: Verdict, expected: Expected, delivered: Delivered) -> None:
    """Dead letters, on the topic and in Postgres: each with its reason, and no other."""
    for found in (delivered.topic_letters, delivered.letters):
        wrong = {id_ for id_, reason in expected.dead_letters.items() if found.get(id_) != reason}
        verdict.dead_letters_missing += len(wrong)
        verdict.lost += len(found.keys() - expected.dead_letters.keys())  # a good event that became a dead letter


def compare_insights(verdict: Verdict, delivered: Delivered, reference: Reference | None) -> None:
    """Insights on the topic and in Postgres, and the panes.

    Without a reference (the broker chose the order between topics, or models were started anew on purpose) what is on
    the topic must be in Postgres, once.
    """
    topic, rows = delivered.topic_insights, Counter(id_ for id_, _ in delivered.insights)
    verdict.insights_doubled += sum(len(contents) - 1 for contents in topic.values()) * (reference is not None)
    verdict.insights_doubled += sum(count - 1 for count in rows.values())
    wanted = topic.keys() if reference is None else reference.insights.keys()
    verdict.insights_missing += len(wanted - rows.keys())
    verdict.insights_doubled += len(rows.keys() - wanted)
    if reference is None:
        return
    verdict.insights_missing += sum(content not in topic.get(id_, ()) for id_, content in reference.insights.items())
    verdict.insights_doubled += len(topic.keys() - wanted)
    verdict.insights_doubled += sum(reference.rows.get(id_, said) != said for id_, said in delivered.insights)
    cells = delivered.windows.keys() | reference.windows.keys()
    verdict.wrong_windows += sum(delivered.windows.get(cell) != reference.windows.get(cell) for cell in cells)
