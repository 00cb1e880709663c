"""An event whose processing raises becomes a dead letter; everything else is as if it had never been there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import pytest

from support.lanes import SETTINGS, TP_EVENTS, Broker, Observer, Raw, make_lane, outcome, process, stream
from ubi_stream.errors import FaultyCodeError
from ubi_stream.features.stage import Featurized, Featurizer
from ubi_stream.state.stage import StateChange

SEED = 21
COUNT = 120
LETTERS = {SETTINGS.dead_letters_topic}


@dataclass
class Poison:
    """Offsets of events that the features can't take: they raise after the state has changed."""

    offsets: set[int] = field(default_factory=set)
    seen: list[int] = field(default_factory=list)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    poison = Poison()
    featurize = Featurizer.featurize

    def raising(changes: Iterable[StateChange]) -> Iterator[StateChange]:
        for change in changes:
            if change.event is not None:
                poison.seen.append(change.event.offset)
                if change.event.offset in poison.offsets:
                    raise ZeroDivisionError("a feature that nobody tried with such an event")
            yield change

    def featurize_or_raise(self: Featurizer, changes: Iterable[StateChange]) -> Featurized:
        return featurize(self, raising(changes))

    monkeypatch.setattr(Featurizer, "featurize", featurize_or_raise)
    return poison


async def offsets_seen(poison: Poison, records: list[Raw]) -> list[int]:
    """Offsets of the events that come to the features, in order: no garbage, no duplicates, no strangers."""
    await process(make_lane(Broker()), records)
    return sorted(poison.seen)


@pytest.mark.parametrize(
    ("bad", "size", "barrier_after"),
    [
        ([3], 200, None),  # in the first chunk, nothing was cut yet
        ([60], 20, None),  # in a later chunk, after others since the cut
        ([60], 20, 40),  # the same, after a barrier
        ([10, 12, 60], 40, None),  # two in one chunk, and another one later
        ([0], 1, None),  # a chunk of its own, and the first
        ([-1], 7, 60),  # the last of all
    ],
)
async def test_neighbours_of_an_event_that_raises_are_processed_as_if_it_was_not_there(
    poison: Poison, bad: list[int], size: int, barrier_after: int | None
) -> None:
    records = stream(SEED, COUNT)
    seen = await offsets_seen(poison, records)
    poisoned = {seen[-1] if at < 0 else next(offset for offset in seen if offset >= at) for at in bad}
    assert len(poisoned) == len(bad)

    quiet = Broker()
    undisturbed = make_lane(quiet)
    await process(undisturbed, [record for record in records if record.offset not in poisoned], size)
    await undisturbed.barrier()

    poison.offsets = poisoned
    broker = Broker()
    task = make_lane(broker)
    cut = barrier_after or 0
    await process(task, records[:cut], size)
    await task.barrier()
    await process(task, records[cut:], size)
    await task.barrier()

    assert broker.done == {TP_EVENTS: COUNT}
    assert outcome(broker, task, without=LETTERS) == outcome(quiet, undisturbed, without=LETTERS)
    letters = [msgspec.json.decode(value) for value in broker.sent_to(SETTINGS.dead_letters_topic)]
    raised = [letter for letter in letters if letter["reason"] == "processing_error"]
    assert sorted(letter["source"]["offset"] for letter in raised) == sorted(poisoned)
    assert all(letter["message"].startswith("ZeroDivisionError at test_isolated_events.py:") for letter in raised)
    assert len(letters) - len(raised) == len(quiet.sent_to(SETTINGS.dead_letters_topic))


async def test_after_a_restart_an_event_that_raised_is_not_told_again(poison: Poison) -> None:
    records = stream(SEED, COUNT)
    poison.offsets = {(await offsets_seen(poison, records))[20]}
    broker = Broker()
    task = make_lane(broker)
    await process(task, records)
    await task.barrier()
    delivered = len(broker.sent_to(SETTINGS.dead_letters_topic))
    before = outcome(broker, task)

    observer = Observer()
    again = make_lane(broker, observer)  # its commit got lost: everything comes once more
    await process(again, records, 30)
    await again.barrier()
    assert len(broker.sent_to(SETTINGS.dead_letters_topic)) == delivered
    assert outcome(broker, again) == before
    assert sum(effects.tally.replayed for effects in observer.effects) == COUNT


async def test_when_most_events_raise_the_worker_ends(poison: Poison) -> None:
    records = stream(SEED, COUNT)
    poison.offsets = {record.offset for record in records}
    with pytest.raises(FaultyCodeError, match="ZeroDivisionError"):
        await process(make_lane(Broker()), records, COUNT)
