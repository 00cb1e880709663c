"""What the policy remembers: part of the partition's record, because it depends on scores and not on events alone."""

from __future__ import annotations

from typing import Final

import msgspec

PRUNE_EVERY: Final = 1000
"""Told insights after which cool-downs that are over are dropped: counted, so that every run drops the same."""


class PolicyMemory(msgspec.Struct):
    """Until when an insight is not to be told again, by what it is about.

    Examples
    --------
    >>> memory = PolicyMemory()
    >>> memory.allows("risk/slow/u1", at_ms=0, now_ms=0, cool_down_ms=1000)
    True
    >>> memory.allows("risk/slow/u1", at_ms=500, now_ms=500, cool_down_ms=1000)
    False
    """

    quiet_until_ms: dict[str, int] = {}
    told: int = 0

    def is_quiet(self, subject: str, at_ms: int) -> bool:
        """Whether the subject was told about less than its cool-down ago."""
        return self.quiet_until_ms.get(subject, at_ms) > at_ms

    def allows(self, subject: str, *, at_ms: int, now_ms: int, cool_down_ms: int) -> bool:
        """Whether to tell now; if so, the cool-down begins. `now_ms` is the watermark: older cool-downs are dropped."""
        if self.is_quiet(subject, at_ms):
            return False
        if cool_down_ms:
            self.quiet_until_ms[subject] = at_ms + cool_down_ms
        self.told += 1
        if self.told % PRUNE_EVERY == 0:
            self.quiet_until_ms = {key: until for key, until in self.quiet_until_ms.items() if until > now_ms}
        return True
