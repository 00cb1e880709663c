"""A worker that dies, or stands still, between two steps of a barrier; or that is not what it was.

`FAULTS_DIE=after-record:5` ends it after that step, the fifth time; `FAULTS_HOLD` lets it say so and wait there for a
second, time enough for a server to die. `FAULTS_RIVER=0.1` is another version of River. `FAULTS_FORGET=1` is the
negative control: the offset in the states counts no more, nor do the event ids, which would hide that from most
comparisons. The product knows nothing of all this: what does it is replaced here, before the worker starts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import river
import structlog

from ubi_stream import worker
from ubi_stream.kafka import outbox
from ubi_stream.kafka.restore import Restorer
from ubi_stream.kafka.transport import ChunkConsumer
from ubi_stream.runtime import partition_task as task
from ubi_stream.runtime.task_manager import TaskManager
from ubi_stream.settings import Settings
from ubi_stream.state import stage

DIE: Final = "FAULTS_DIE"
HOLD: Final = "FAULTS_HOLD"
FORGET: Final = "FAULTS_FORGET"
RIVER: Final = "FAULTS_RIVER"
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
RESTORING: Final = "restoring"
"""Before the changelogs are read."""
HELD: Final = "held"
"""What it says when it stands still."""
_HOLD_S: Final = 1.0

_passed: Counter[str] = Counter()


def _wanted(variable: str, step: str) -> int | None:
    """At which time of this step, if at this step."""
    wanted, _, times = os.environ.get(variable, "").partition(":")
    return int(times) if step == wanted else None


def arrive_or_die(step: str) -> None:
    """SIGKILL, by our own hand, where it is wanted here and now."""
    _passed[step] += 1
    times = _wanted(DIE, step)
    if times is not None and _passed[step] >= times:
        os.kill(os.getpid(), signal.SIGKILL)


async def arrive(step: str) -> None:
    """Die, stand still, or go on."""
    arrive_or_die(step)
    if _passed[step] == _wanted(HOLD, step):
        structlog.get_logger(__name__).info(HELD, step=step)
        await asyncio.sleep(_HOLD_S)


class BreakingOutbox(outbox.KafkaOutbox):
    """Writes changelogs, states in two halves."""

    async def write(self, topic: str, partition: int, records: Sequence[outbox.Change]) -> range | None:
        """Write, unless it is time to die."""
        if not topic.endswith("_states-changelog"):
            written = await super().write(topic, partition, records)
            await arrive("after-record")
            return written
        half = len(records) // 2
        first = await super().write(topic, partition, records[:half])
        await arrive("between-states")
        second = await super().write(topic, partition, records[half:])
        await arrive("after-states")
        return range((first or second).start, second.stop) if first is not None and second else second


def _break_barrier() -> None:
    acknowledged, mark_done, commit = outbox.acknowledged, TaskManager._mark_done, ChunkConsumer._commit_offsets
    read = Restorer._read

    async def breaking_acknowledged(sent: Any, *, within_s: float) -> None:
        await arrive("before-effects")
        await acknowledged(sent, within_s=within_s)
        await arrive("after-effects")

    def breaking_mark_done(self: TaskManager, tp: Any, next_offset: int) -> None:
        mark_done(self, tp, next_offset)
        arrive_or_die("after-done")

    async def breaking_commit(self: ChunkConsumer, offsets: Any, start_new_transaction: bool = True) -> bool:
        done = await commit(self, offsets, start_new_transaction)
        await arrive("after-commit")
        return done

    async def breaking_read(self: Restorer, *arguments: Any) -> None:
        await arrive(RESTORING)
        await read(self, *arguments)

    _replace(worker, "KafkaOutbox", BreakingOutbox)
    _replace(task, "acknowledged", breaking_acknowledged)
    _replace(TaskManager, "_mark_done", breaking_mark_done)
    _replace(ChunkConsumer, "_commit_offsets", breaking_commit)
    _replace(Restorer, "_read", breaking_read)


def _forget() -> None:
    _replace(stage, "is_applied", lambda event, live: False)
    _replace(stage, "is_duplicate", lambda event, event_hash, state, plan: False)


def _replace(place: object, name: str, work: object) -> None:
    """Put something else where the product has its own: an error if it has nothing there any more."""
    getattr(place, name)
    setattr(place, name, work)


def main() -> int:
    """Run such a worker."""
    _break_barrier()
    if FORGET in os.environ:
        _forget()
    river.__version__ = os.environ.get(RIVER, river.__version__)
    return worker.run_worker(Settings())


if __name__ == "__main__":
    sys.exit(main())
