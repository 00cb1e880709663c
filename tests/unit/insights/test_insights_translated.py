"""The same events told with other words: sentences change, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec

from support.folding import Runner
from support.probe import DAY_MS, MINUTE_MS, START_MS, event
from ubi_stream.insights.model import Explanation, Insight, InsightKind
from ubi_stream.packs.loader import load_pack


def visits() -> list[dict[str, Any]]:
    """Shoppers who come often, slow checkouts, a purchase a day; then a silence of weeks."""
    found: list[dict[str, Any]] = []
    for day in range(12):
        for number in range(4):
            start_ms, user = START_MS + day * DAY_MS, f"u{number}"
            kinds = ["view", "view", "view", "cart", *(["purchase"] if number % 2 else ["view"])]
            for step, kind in enumerate(kinds):
                fields = {"price": 30.0 + 9 * step} if kind == "purchase" else {}
                latency_ms = 9000 if day == 2 else 200
                found.append(event(user, start_ms + step * MINUTE_MS, kind, latency_ms=latency_ms, **fields))
    found.append(event("last", START_MS + 50 * DAY_MS, "view"))
    return found


def delivered(pack: str) -> list[Insight]:
    return Runner(load_pack(pack)).run(*visits()).insights


def without_words(insight: Insight) -> Insight:
    contributions = insight.explanation.contributions
    evidence = {name: value for name, value in insight.evidence.items() if name != "recommendations"}
    explanation = Explanation("", contributions, insight.explanation.claims)
    return msgspec.structs.replace(insight, explanation=explanation, evidence=evidence)


def test_a_translation_changes_sentences_alone() -> None:
    english, german = delivered("ecommerce"), delivered("ecommerce.de")
    assert {insight.kind for insight in english} >= {
        InsightKind.SEGMENT,
        InsightKind.RISK,
    }
    assert list(map(without_words, german)) == list(map(without_words, english))
    pairs = [
        (local.explanation.summary, theirs.explanation.summary) for local, theirs in zip(german, english, strict=True)
    ]
    assert not [local for local, theirs in pairs if local == theirs]


def test_it_reads_as_one_speaks() -> None:
    sentences = {insight.explanation.summary for insight in delivered("ecommerce.de")}
    assert (
        "Der Kunde war 14 Tage still und ist jetzt ein ruhender Kunde (vorher: ein regelmäßiger Kunde)"
    ) in sentences
    assert (
        "Der Kunde ist jetzt ein Stammkunde (vorher: ein neuer Kunde): Käufe in 30 Tagen: 8, mindestens 3; "
        "Tage mit Besuchen in 30 Tagen: 9, mindestens 8"
    ) in sentences


def test_a_shops_words_are_the_packs_and_a_cards_are_others() -> None:
    sentences = {insight.explanation.summary for insight in delivered("ecommerce")}
    assert any("at least 3; days with visits" in sentence for sentence in sentences)
    paid = [event("u", START_MS + n * 4 * 60 * MINUTE_MS, "payment", amount=5.0, tx_id=f"t{n}") for n in range(70)]
    (segment,) = (i for i in Runner(load_pack("payments")).run(*paid).insights if i.kind is InsightKind.SEGMENT)
    assert segment.explanation.summary.startswith("The customer is now heavy payer (before: regular payer): ")
