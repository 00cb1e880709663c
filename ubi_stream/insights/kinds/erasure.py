"""The receipt of an erasure."""

from __future__ import annotations

import msgspec

from ubi_stream.ids import EntityId, insight_id
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.packs.plan import Plan
from ubi_stream.state.erasure import Erased


class ErasureInsights:
    """Answers each erasure, also of a user of whom nothing was known."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._texts = plan.pack.texts

    def insights(self, builder: InsightBuilder, erased: Erased) -> Insight:
        """Tell of one erasure. Its id names the hash, not the user: it is kept when all else is gone."""
        sentence = self._texts.erased if erased.parts else self._texts.erased_unknown
        receipt = builder.insight(
            InsightKind.ERASURE,
            label="erased" if erased.parts else "unknown",
            explanation=Explanation(sentence.format(entity=self._texts.entity_word(self._plan.entity.name))),
            evidence={"erased_id": erased.erased_id, "parts": erased.parts},
        )
        name, entity = self._plan.pack.name, self._plan.entity.name
        # Its place in the topic, not the event's id: one that comes twice has two receipts.
        cause = builder.change.origin.event_id
        found = insight_id(name, entity, EntityId(erased.erased_id), InsightKind.ERASURE, cause)
        return msgspec.structs.replace(receipt, id=found)
