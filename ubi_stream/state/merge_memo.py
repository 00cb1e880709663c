"""Merges what was told of one id into another's: so a label finds its insight, and a cool-down goes on."""

from __future__ import annotations

from ubi_stream.state.memo import MAX_ADVISED, MAX_COOL_DOWNS, MAX_MARKS, MAX_OFFERED, MAX_TOLD, Memo


def merge_memo(memo: Memo, other: Memo) -> None:
    """Take in what was told of the other id, in place. Of both, the newest stays; each list keeps its bound."""
    quiet = dict(other.quiet_until_ms)
    for subject, until_ms in memo.quiet_until_ms.items():
        quiet[subject] = max(until_ms, quiet.get(subject, until_ms))
    memo.quiet_until_ms = dict(sorted(quiet.items(), key=lambda item: (-item[1], item[0]))[:MAX_COOL_DOWNS])
    # What was told of the other id comes first: it is given up first.
    memo.told = [*other.told, *memo.told][-MAX_TOLD:]
    memo.marks = [*other.marks, *memo.marks][-MAX_MARKS:]
    memo.offered = [*other.offered, *memo.offered][-MAX_OFFERED:]
    memo.advised = sorted([*other.advised, *memo.advised], key=lambda one: one.at_ms)[-MAX_ADVISED:]
    outcomes = sorted({*other.said, *memo.said})
    memo.said = {name: [*other.said.get(name, ()), *memo.said.get(name, ())] for name in outcomes}
    if memo.labels == 0:
        memo.shift, memo.shift_ms = other.shift, other.shift_ms
    memo.labels += other.labels
    memo.peak_day, memo.peak = max((memo.peak_day, memo.peak), (other.peak_day, other.peak))
