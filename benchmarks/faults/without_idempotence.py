"""The negative control: a worker whose states don't know what they contain. The proof must see what it does.

Both guards are off: the offset in the state, and the event ids, which would hide the first from most comparisons.
"""

from __future__ import annotations

import sys

from ubi_stream.settings import Settings
from ubi_stream.state import stage
from ubi_stream.worker import run_worker


def main() -> int:
    """Run such a worker."""
    stage._is_applied = lambda event, live: False
    stage._is_duplicate = lambda event, event_hash, state, plan: False
    return run_worker(Settings())


if __name__ == "__main__":
    sys.exit(main())
