"""The same events told with other words: sentences change, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec

from support.folding import Runner
from support.probe import DAY_MS, MINUTE_MS, START_MS, event
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.packs.loader import load_pack


def visits() -> list[dict[str, Any]]:
    """Shoppers with every segment, a slow checkout, a cart left behind, a purchase, a silence of weeks."""
    found: list[dict[str, Any]] = []
    for number in range(4):
        start_ms, user = START_MS + number * DAY_MS, f"u{number}"
        kinds = ["view", "view", "view", "cart", *(["purchase"] if number % 2 else ["view"])]
        for visit in range(3):
            at_ms = start_ms + visit * 40 * MINUTE_MS
            for step, kind in enumerate(kinds):
                fields = {"price": 30.0 + 9 * step} if kind == "purchase" else {}
                latency_ms = 9000 if visit == 2 else 200
                found.append(event(user, at_ms + step * MINUTE_MS, kind, latency_ms=latency_ms, **fields))
    found.append(event("last", START_MS + 40 * DAY_MS, "view"))
    return found


def told(pack: str) -> list[Insight]:
    return Runner(load_pack(pack)).run(*visits()).insights


def without_words(insight: Insight) -> Insight:
    contributions = insight.explanation.contributions
    return msgspec.structs.replace(insight, explanation=Explanation("", contributions))


def test_a_translation_changes_sentences_alone() -> None:
    english, german = told("ecommerce"), told("ecommerce.de")
    assert {insight.kind for insight in english} >= {
        InsightKind.SEGMENT,
        InsightKind.RISK,
        InsightKind.RECOMMENDATION,
    }
    assert list(map(without_words, german)) == list(map(without_words, english))
    pairs = [
        (ours.explanation.summary, theirs.explanation.summary) for ours, theirs in zip(german, english, strict=True)
    ]
    assert not [ours for ours, theirs in pairs if ours == theirs]


def test_it_reads_as_one_speaks() -> None:
    sentences = {insight.explanation.summary for insight in told("ecommerce.de")}
    assert "Der Kunde war 14 Tage still und ist jetzt ein ruhender Kunde" in sentences
    assert (
        "Der Kunde ist jetzt ein Kaufinteressent (vorher: beim Stöbern): in den Warenkorb gelegt in diesem Besuch: 1"
    ) in sentences


def test_a_shops_words_are_the_packs_and_a_cards_are_others() -> None:
    sentences = {insight.explanation.summary for insight in told("ecommerce")}
    assert any("put into the cart in this visit" in sentence for sentence in sentences)
    paid = [event("u", START_MS + n * 60 * MINUTE_MS, "payment", amount=5.0, tx_id=f"t{n}") for n in range(4)]
    (segment,) = Runner(load_pack("payments")).run(*paid).insights
    assert segment.explanation.summary.startswith("The customer is now regular payer (before: occasional payer): ")
