"""Makes events in the product's own form, without what the privacy filter hides."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import uuid4

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.privacy.filter import PrivacyFilter, Withheld
from ubi_stream.privacy.rules import PrivacyRules

_DEFAULT: Final = PrivacyRules()
_log = logging.getLogger("ubi_stream.contrib")

Interaction = Literal["view", "click", "dismiss", "implement"]
GoalAction = Literal["create", "update", "contribute", "complete", "abandon"]


class EventCapture:
    """Takes what users do. No method raises: a fault is counted and logged, and the host goes on.

    Parameters
    ----------
    batcher
        Where events go.
    privacy
        What is hidden before an event leaves the process.
    clock
        In place of the system's, for tests.

    Examples
    --------
    >>> class Kept:
    ...     def add(self, event):
    ...         self.event = event
    ...         return True
    >>> batcher = Kept()
    >>> EventCapture(batcher).search("u-1", "shoes for bob@example.com")
    True
    >>> batcher.event["event_type"], batcher.event["properties"]
    ('search', {'query': 'shoes for [email]'})
    """

    def __init__(
        self, batcher: EventBatcher, *, privacy: PrivacyFilter | PrivacyRules = _DEFAULT, clock: Clock | None = None
    ) -> None:
        self.batcher = batcher
        self._privacy = PrivacyFilter(privacy) if isinstance(privacy, PrivacyRules) else privacy
        self._clock = SystemClock() if clock is None else clock

    def track(
        self,
        event_type: str,
        user_id: str,
        properties: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        at_ms: int | None = None,
    ) -> bool:
        """Take an event of any type; False where it is not sent.

        Parameters
        ----------
        event_id
            One that names the event wherever it is sent from; default: a random one.
        at_ms
            When it happened, in Unix milliseconds; default: now.
        """
        try:
            event: dict[str, Any] = {
                "event_id": str(uuid4()) if event_id is None else event_id,
                "event_time": self._clock.now_ms() if at_ms is None else at_ms,
                "event_type": event_type,
                "user_id": user_id,
            }
            if session_id is not None:
                event["session_id"] = session_id
            if properties:
                event["properties"] = {name: value for name, value in properties.items() if value is not None}
            if context:
                event["context"] = dict(context)
            outcome = self._privacy.apply(event)
            return False if isinstance(outcome, Withheld) else self.batcher.add(outcome.event)
        except Exception as error:  # noqa: BLE001 - the host's request must never fail for this
            self.batcher.counts.errors += 1
            _log.error("an event could not be captured: %s", type(error).__name__)
            return False

    def page_view(self, user_id: str, page_url: str, *, session_id: str | None = None, **properties: Any) -> bool:
        """A page was looked at."""
        return self.track("page_view", user_id, {"page_url": page_url, **properties}, session_id=session_id)

    def search(self, user_id: str, query: str, *, session_id: str | None = None, **properties: Any) -> bool:
        """Something was searched for."""
        return self.track("search", user_id, {"query": query, **properties}, session_id=session_id)

    def purchase(
        self,
        user_id: str,
        amount: float,
        *,
        category: str | None = None,
        session_id: str | None = None,
        **properties: Any,
    ) -> bool:
        """Something was bought."""
        about = {"amount": amount, "category": category, **properties}
        return self.track("purchase", user_id, about, session_id=session_id)

    def transaction(
        self,
        user_id: str,
        amount: float,
        *,
        direction: Literal["in", "out"],
        category: str | None = None,
        session_id: str | None = None,
        **properties: Any,
    ) -> bool:
        """Money came in or went out."""
        about = {"amount": amount, "direction": direction, "category": category, **properties}
        return self.track("transaction_creation", user_id, about, session_id=session_id)

    def goal(
        self, user_id: str, goal_id: str, action: GoalAction, *, session_id: str | None = None, **properties: Any
    ) -> bool:
        """A goal was set, changed or reached."""
        about = {"goal_id": goal_id, "action": action, **properties}
        return self.track("goal_modification", user_id, about, session_id=session_id)

    def recommendation(
        self,
        user_id: str,
        recommendation_id: str,
        interaction_type: Interaction,
        *,
        session_id: str | None = None,
        **properties: Any,
    ) -> bool:
        """A recommendation was seen, followed or put away."""
        about = {"recommendation_id": recommendation_id, "interaction_type": interaction_type, **properties}
        return self.track("recommendation_interaction", user_id, about, session_id=session_id)
