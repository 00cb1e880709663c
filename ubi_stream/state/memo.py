"""What was said about one entity, and predicted of it: kept beside its state, because it depends on scores.

The rest of a state is a function of the entity's own events, which a replay folds again. What was told is not: models
score an event once. So a memo is written with the partition's record too, when it changed since the barrier before; the
entity's own record follows, and a crash between the two loses nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_COOL_DOWNS: Final = 64
"""More subjects than a pack tells an entity about at a time; then the one that ends first gives way."""


class Memo(msgspec.Struct, array_like=True, gc=False):
    """Fields are encoded by position: append new ones, with a default. Each of them is bounded.

    Attributes
    ----------
    quiet_until_ms
        Until when the entity is not to be told about again, by subject.

    Examples
    --------
    >>> memo = Memo()
    >>> memo.be_quiet("risk/slow", 1000, now_ms=0)
    >>> memo.is_quiet("risk/slow", 999), memo.is_quiet("risk/slow", 1000)
    (True, False)
    """

    quiet_until_ms: dict[str, int] = {}

    def is_quiet(self, subject: str, at_ms: int) -> bool:
        """Whether the cool-down of a subject is not over."""
        return self.quiet_until_ms.get(subject, at_ms) > at_ms

    def be_quiet(self, subject: str, until_ms: int, *, now_ms: int) -> None:
        """Begin a cool-down. `now_ms` is the watermark: cool-downs that ended before it are dropped."""
        quiet = {key: end for key, end in self.quiet_until_ms.items() if end > now_ms}
        quiet[subject] = until_ms
        if len(quiet) > MAX_COOL_DOWNS:
            del quiet[min(quiet, key=lambda key: (quiet[key], key))]
        self.quiet_until_ms = quiet
