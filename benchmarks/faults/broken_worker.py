"""A worker that dies between two steps of a barrier, or that does not know what its states contain.

`FAULTS_DIE=after-record:5` ends it after that step, the fifth time. `FAULTS_FORGET=1` is the negative control: the
offset in the states counts no more, nor do the event ids, which would hide that from most comparisons. The product
knows nothing of either: what does it is replaced here, before the worker starts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ubi_stream import worker
from ubi_stream.chunked.transport import ChunkConsumer
from ubi_stream.runtime import lane, outbox
from ubi_stream.runtime.lanes import Lanes
from ubi_stream.settings import Settings
from ubi_stream.state import stage

DIE: Final = "FAULTS_DIE"
FORGET: Final = "FAULTS_FORGET"
STEPS: Final = (
    "before-effects",
    "after-effects",
    "after-record",
    "between-states",
    "after-states",
    "after-done",
    "after-commit",
)
"""In the order of a barrier: effects acknowledged, record written, states written, offsets allowed, committed."""

_passed: Counter[str] = Counter()


def passing(step: str) -> bool:
    """Whether to die here, now."""
    _passed[step] += 1
    wanted, _, times = os.environ.get(DIE, "").partition(":")
    return step == wanted and _passed[step] >= int(times)


def die() -> None:
    """SIGKILL, by our own hand."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingOutbox(outbox.KafkaOutbox):
    """Writes changelogs, and dies around it."""

    async def write(self, topic: str, partition: int, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Write, unless it is time to die."""
        states = topic.endswith("_states-changelog")
        if states and passing("between-states"):
            await super().write(topic, partition, records[: len(records) // 2])
            die()
        await super().write(topic, partition, records)
        if passing("after-states" if states else "after-record"):
            die()


def _die_around_barrier() -> None:
    acknowledged, mark_done, commit = outbox.acknowledged, Lanes._mark_done, ChunkConsumer._commit_offsets

    async def dying_acknowledged(sent: Any) -> None:
        if passing("before-effects"):
            die()
        await acknowledged(sent)
        if passing("after-effects"):
            die()

    def dying_mark_done(self: Lanes, tp: Any, next_offset: int) -> None:
        mark_done(self, tp, next_offset)
        if passing("after-done"):
            die()

    async def dying_commit(self: ChunkConsumer, offsets: Any, start_new_transaction: bool = True) -> bool:
        done = await commit(self, offsets, start_new_transaction)
        if passing("after-commit"):
            die()
        return done

    for place, name, work in (
        (worker, "KafkaOutbox", DyingOutbox),
        (lane, "acknowledged", dying_acknowledged),
        (Lanes, "_mark_done", dying_mark_done),
        (ChunkConsumer, "_commit_offsets", dying_commit),
    ):
        setattr(place, name, work)


def _forget() -> None:
    stage._is_applied = lambda event, live: False
    stage._is_duplicate = lambda event, event_hash, state, plan: False


def main() -> int:
    """Run such a worker."""
    _die_around_barrier()
    if FORGET in os.environ:
        _forget()
    return worker.run_worker(Settings())


if __name__ == "__main__":
    sys.exit(main())
