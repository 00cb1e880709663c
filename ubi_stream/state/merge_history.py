"""Merges the insight history of one id into another's: so a label finds its insight, and a cool-down goes on."""

from __future__ import annotations

from ubi_stream.state.history import MAX_COOL_DOWNS, MAX_DELIVERED, MAX_LABELS, MAX_OPEN, MAX_PENDING, InsightHistory


def merge_history(history: InsightHistory, other: InsightHistory) -> None:
    """Add the history of the other id, in place. The newest entries stay; each list keeps its bound."""
    quiet = dict(other.quiet_until_ms)
    for subject, until_ms in history.quiet_until_ms.items():
        quiet[subject] = max(until_ms, quiet.get(subject, until_ms))
    history.quiet_until_ms = dict(sorted(quiet.items(), key=lambda item: (-item[1], item[0]))[:MAX_COOL_DOWNS])
    # What concerns the other id comes first: it is dropped first.
    history.delivered = [*other.delivered, *history.delivered][-MAX_DELIVERED:]
    history.applied_labels = [*other.applied_labels, *history.applied_labels][-MAX_LABELS:]
    history.open_recommendations = [*other.open_recommendations, *history.open_recommendations][-MAX_OPEN:]
    history.pending_recommendations = sorted(
        [*other.pending_recommendations, *history.pending_recommendations], key=lambda one: one.at_ms
    )[-MAX_PENDING:]
    outcomes = sorted({*other.predicted, *history.predicted})
    history.predicted = {name: [*other.predicted.get(name, ()), *history.predicted.get(name, ())] for name in outcomes}
    if history.labels == 0:
        history.shift, history.shift_ms = other.shift, other.shift_ms
    history.labels += other.labels
    history.peak_day, history.peak = max((history.peak_day, history.peak), (other.peak_day, other.peak))
