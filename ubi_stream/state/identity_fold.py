"""Folds identity commands: a profile is handed over, taken in, given back, or taken out again."""

from __future__ import annotations

from typing import NamedTuple

from ubi_stream.events.model import Event
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import MERGE_TYPE, SPLIT_TYPE, UNMERGE_TYPE
from ubi_stream.state.codec import decode_state
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.identities import (
    Handovers,
    closes_circle,
    encoded,
    erase_others,
    erase_source,
    hand_over,
    note_identity,
    parked,
    redirects,
    take_back,
)
from ubi_stream.state.merge import merge_state
from ubi_stream.state.merge_history import merge_history
from ubi_stream.state.merge_visits import MergedVisits, merge_visits
from ubi_stream.state.model import UserState
from ubi_stream.state.split import split_state

NOTHING = MergedVisits()


class Folded(NamedTuple):
    """What an identity command did to a state.

    Attributes
    ----------
    visits
        What it brought to an end.
    history_changed
        Whether what was told of the entity is other than before.
    """

    visits: MergedVisits = NOTHING
    history_changed: bool = False


class IdentityFold:
    """Folds what is said of whose profile is whose, in the partition of either id.

    States change alike in a replay; only a new command moves what was told, and sends something.
    """

    def __init__(self, plan: Plan, handovers: Handovers) -> None:
        self._plan = plan
        self._handovers = handovers

    def redirect(self, event: Event, state: UserState, *, new: bool) -> bool:
        """Send an event of a merged id to its user; False where the event is about the merge itself."""
        if not state.merged_into or not redirects(event):
            return False
        if new:
            self._handovers.add(event, state.merged_into, event.raw, carried=event.carried)
        if event.verdict is None:
            state.last_ms = max(state.last_ms, event.event_time_ms)  # an id that is in use is not forgotten
        return True

    def erase_others(self, event: Event, entity_id: str, state: UserState | None) -> None:
        """Have all ids erased that are the same person."""
        erase_others(self._handovers, event, entity_id, state)

    def erase_source(self, event: Event, entity_id: str) -> None:
        """Erase the id whose profile came after its user was erased."""
        erase_source(self._handovers, event, entity_id)

    def fold(self, event: Event, entity_id: str, state: UserState, watermark_ms: int, *, new: bool) -> Folded:
        """Take in one identity command, in place."""
        if event.event_type == MERGE_TYPE:
            return self._take_in(event, entity_id, state, watermark_ms, new=new)
        if event.event_type == UNMERGE_TYPE:
            self._take_out(event, state)
            return Folded()
        if event.event_type == SPLIT_TYPE:
            self._split(event, state, new=new)
            return Folded()
        return self._hand_over(event, state, watermark_ms, new=new)

    def _hand_over(self, event: Event, state: UserState, watermark_ms: int, *, new: bool) -> Folded:
        assert event.identity is not None, "an identity command names two ids"
        user_id, carried, moved = event.identity.other, b"", False
        if state.merged_into != user_id:
            if state.merged_into:
                _begin_anew(state)  # what there was stays with the user before
            elif new:
                carried = encoded(state)
                moved = state.history != InsightHistory()
                state.history = InsightHistory()
            state.merged_into = user_id
            parked(state)
        _seen(state, event.event_time_ms)
        if new:
            hand_over(self._handovers, event, state, watermark_ms, carried=carried)
        return Folded(history_changed=moved)

    def _take_in(self, event: Event, entity_id: str, state: UserState, watermark_ms: int, *, new: bool) -> Folded:
        assert event.identity is not None, "an identity command names two ids"
        if closes_circle(event, entity_id):
            state.merged_into = ""  # the profile is where it was
            return Folded()
        note_identity(state, event.identity.other, event.event_time_ms)
        if not event.carried:
            if state.events == 0:
                _seen(state, event.event_time_ms)
            return Folded()
        other = decode_state(event.carried)[1]
        visits = merge_visits(
            state, other, self._plan, watermark_ms=watermark_ms, other_watermark_ms=event.identity.watermark_ms
        )
        merge_state(state, other, self._plan)
        for one, since_ms in other.identities.items():
            note_identity(state, one, since_ms)
        if new:
            merge_history(state.history, other.history)
        return Folded(visits, history_changed=new and other.history != InsightHistory())

    def _split(self, event: Event, state: UserState, *, new: bool) -> None:
        assert event.identity is not None, "an identity command names two ids"
        if state.merged_into != event.identity.other:
            return
        state.merged_into = ""
        if new:
            take_back(self._handovers, event, event.identity.other, carried=encoded(state))

    def _take_out(self, event: Event, state: UserState) -> None:
        assert event.identity is not None, "an identity command names two ids"
        known = event.identity.other in state.identities
        state.identities = {one: since for one, since in state.identities.items() if one != event.identity.other}
        if known and event.carried:
            split_state(state, decode_state(event.carried)[1])


def _seen(state: UserState, at_ms: int) -> None:
    """Note when there was a command about an id: it is forgotten so long after, be there events of it or not."""
    state.first_ms = state.first_ms or at_ms
    state.last_ms = max(state.last_ms, at_ms)


def _begin_anew(state: UserState) -> None:
    """Empty a state, in place, but for the marks of delivery and the time that says which record is newer."""
    fresh = UserState()
    kept = ("last_ms", "forwarded", "applied", "recent_ids", "history", "merged_into")
    for name in UserState.__struct_fields__:
        if name not in kept:
            setattr(state, name, getattr(fresh, name))
