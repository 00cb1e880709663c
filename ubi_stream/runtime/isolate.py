"""An event whose processing raises is found and set aside; its neighbours are processed as if it had not been there."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from ubi_stream.effects import Effects
from ubi_stream.errors import FaultyCodeError
from ubi_stream.events.hiding import hidden_letter
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.partition import Partition
from ubi_stream.reasons import DeadLetterReason

MAX_POISONED: Final = 16
"""Events set aside in one batch: each costs a rebuild, and with more it is not the events that are at fault."""


class Batch(NamedTuple):
    """Records of one topic, as the pipeline takes them."""

    records: list[Record]
    forwarded: bool


def isolate(
    rebuild: Callable[[], Partition], since_checkpoint: Sequence[Batch], failing: Batch
) -> tuple[Partition, list[Effects], Batch]:
    """Process a batch that raised, record by record, from the last cut on.

    A record that raises may have left states or models half changed. So the partition is built anew from what was last
    cut, the batches since then are repeated (their effects were delivered: the same events give the same), and the
    failing one follows without the records that raise.

    Returns
    -------
    The rebuilt partition, the effects of the failing batch with a dead letter for each record that raised, and the
    batch without those records.
    """
    poisoned: dict[int, DeadLetter] = {}
    while True:
        partition = rebuild()
        for batch in since_checkpoint:
            partition.pipeline.run(batch.records, forwarded=batch.forwarded)
        effects: list[Effects] = []
        for record in failing.records:
            if record.offset in poisoned:
                effects.append(_set_aside(partition, poisoned[record.offset]))
                continue
            try:
                effects.append(partition.pipeline.run([record], forwarded=failing.forwarded))
            except Exception as error:
                if len(poisoned) == MAX_POISONED:
                    raise FaultyCodeError(
                        f"more than {MAX_POISONED} events of one batch raise, the last with {describe(error)}: "
                        "that is a fault of the code or of a pack's own features, not of the events"
                    ) from error
                letter = DeadLetter(DeadLetterReason.PROCESSING_ERROR, "$", describe(error), record)
                poisoned[record.offset] = hidden_letter(letter, partition.pipeline.privacy)
                break
        else:
            good = [record for record in failing.records if record.offset not in poisoned]
            return partition, effects, Batch(good, failing.forwarded)


def describe(error: BaseException) -> str:
    """What raised and where, with a fingerprint that is the same for the same fault; without the event's content."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    fingerprint = blake2b("/".join([type(error).__name__, *places]).encode(), digest_size=4).hexdigest()
    return f"{type(error).__name__} at {places[-1] if places else 'unknown place'} (fault {fingerprint})"


def _set_aside(partition: Partition, letter: DeadLetter) -> Effects:
    """What a record that raises comes to; nothing, if that was delivered before a restart."""
    record, progress = letter.record, partition.progress
    new = progress.is_new(record.topic, record.offset)
    progress.learn_up_to(record.topic, record.offset)
    effects = Effects.nothing()
    if new:
        effects.dead_letters.append(letter)
        effects.tally.dead_letters[letter.reason.value] += 1
    else:
        effects.tally.replayed += 1
    return effects
