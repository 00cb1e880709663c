"""How many events a pass through the pipeline takes: what its time allows, as views answer between two passes."""

from __future__ import annotations

from typing import Final

LEAST_EVENTS: Final = 16
"""A pass costs about a millisecond whatever is in it: smaller ones would mostly pay that."""
_NEW_SHARE: Final = 0.25
"""Weight of the newest pass in the mean: one that was held up by something else changes little."""


class Pace:
    """Sizes of passes, from what the passes before took.

    Where a stream is cut has no influence on its results, so the size may follow the clock.

    Parameters
    ----------
    most_events
        Of any pass.
    longest_s
        Aimed at for one pass, in seconds.
    """

    def __init__(self, *, most_events: int, longest_s: float) -> None:
        self._most_events = most_events
        self._longest_s = longest_s
        self._event_s = longest_s / most_events

    @property
    def events(self) -> int:
        """Most events of the next pass."""
        wanted = int(self._longest_s / self._event_s)
        return max(min(wanted, self._most_events), min(LEAST_EVENTS, self._most_events))

    def took(self, events: int, seconds: float) -> None:
        """A pass of so many events took so long. One of few says little: most of its time is that of any pass."""
        if events >= LEAST_EVENTS:
            self._event_s += _NEW_SHARE * (max(seconds, 1e-6) / events - self._event_s)
