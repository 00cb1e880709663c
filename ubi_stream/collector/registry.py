"""The dialects: how a request becomes calls, how a call becomes an event, and how the sender is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ubi_stream.collector.dialects import cloudevents, coaching, opensearch_ubi, own, posthog, segment, snowplow
from ubi_stream.collector.request import Call, CollectorRequest, Reception


class Dialect(msgspec.Struct, frozen=True):
    """One way of sending events.

    Attributes
    ----------
    split
        Cuts a request into calls, each whole: what a batch says of all its calls is in each of them.
    read
        Reads one call.
    mapping
        Shipped mapping that makes events of the calls; None where they are in our own form already.
    name_field
        Field of a call by which the answer names it.
    """

    name: str
    split: Callable[[CollectorRequest], list[Any]]
    read: Callable[[dict[str, Any], Reception], Call]
    mapping: str | None = None
    name_field: str | None = None

    def name_of(self, call: object) -> str | None:
        """What the sender calls this call."""
        name = call.get(self.name_field) if isinstance(call, dict) and self.name_field else None
        return name if isinstance(name, str) else None


OWN: Final = Dialect("own", own.split, own.read)
SEGMENT: Final = Dialect("segment", segment.split, segment.read, "segment")
POSTHOG: Final = Dialect("posthog", posthog.split, posthog.read, "posthog", "uuid")
SNOWPLOW: Final = Dialect("snowplow", snowplow.split, snowplow.read, "snowplow")
OPENSEARCH_UBI: Final = Dialect("opensearch_ubi", opensearch_ubi.split, opensearch_ubi.read, "opensearch_ubi")
CLOUDEVENTS: Final = Dialect("cloudevents", cloudevents.split, cloudevents.read, "cloudevents")
RECOMMENDATION_INTERACTION: Final = Dialect("recommendation_interaction", coaching.split_interaction, coaching.read)
TRANSACTION: Final = Dialect("transaction", coaching.split_transaction, coaching.read)

DIALECTS: Final = {
    dialect.name: dialect
    for dialect in (
        OWN,
        SEGMENT,
        POSTHOG,
        SNOWPLOW,
        OPENSEARCH_UBI,
        CLOUDEVENTS,
        RECOMMENDATION_INTERACTION,
        TRANSACTION,
    )
}
