"""Claims: that they hold, and that a sentence says no more than they do."""

from __future__ import annotations

import pytest

from ubi_stream.features.registry import HOUR_OF_DAY, select_features
from ubi_stream.insights.claims import OPPOSITE, Claim, compared, holds, titles_of, unclaimed_numbers
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.model import Contribution
from ubi_stream.packs.base import Operator
from ubi_stream.packs.loader import load_pack

SHOP = load_pack("ecommerce")
FEATURES = select_features(
    ("events_1h", "events_24h", "last_latency_ms", "is_night", "amount_24h", "amount_z"), "paned"
)
EXPLAIN = Explainer(FEATURES, SHOP.texts)


@pytest.mark.parametrize(
    ("op", "below", "at", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        ("==", False, True, False),
        ("!=", True, False, True),
    ],
)
def test_a_claim_holds_as_its_operator_says_and_its_opposite_never_with_it(
    op: Operator, below: bool, at: bool, above: bool
) -> None:
    for value, expected in ((2.0, below), (3.0, at), (4.0, above)):
        claim = Claim("events_1h", value, "events", op, 3.0, "threshold")
        opposite = Claim("events_1h", value, "events", OPPOSITE[op], 3.0, "threshold")
        assert holds(claim) is expected
        assert holds(opposite) is not expected


def test_a_comparison_says_which_side_a_value_is_on() -> None:
    assert [compared("f", value, "", 2.0, "peers").op for value in (1.0, 2.0, 3.0)] == ["<", "==", ">"]


def test_claims_are_said_with_what_they_compare_with() -> None:
    claim = EXPLAIN.claim
    assert [
        EXPLAIN.say(one)
        for one in (
            claim("last_latency_ms", 7140.0, ">", 3000.0, "threshold"),
            claim("last_latency_ms", 7140.0, ">", 900.0, "own_usual"),
            claim("events_24h", 3.0, "<", 17.0, "peers"),
            claim("is_night", 1.0, "==", 1.0, "threshold"),
            claim("is_night", 1.0, ">", 0.2, "peers"),
            claim("amount_z", 4.83, ">", 0.0, "own_usual"),
            claim("events_1h", None, ">=", 5.0, "threshold"),
        )
    ] == [
        "newest wait: 7.14 seconds, more than 3 seconds",
        "newest wait: 7.14 seconds (usually 900 ms)",
        "events in 24 hours: 3 (others 17)",
        "at night: yes",
        "at night: yes (others 20 %)",
        "newest amount against the own: 4.83 deviations",  # from the usual, so what is usual is no news
        "events in an hour: unknown",
    ]


def test_a_contribution_is_compared_with_its_own_usual_value_first_and_with_nothing_if_there_is_nothing() -> None:
    own = EXPLAIN.claim_of(Contribution("events_1h", 40.0, 0.5, usual=3.0, peers=9.0))
    others = EXPLAIN.claim_of(Contribution("events_1h", 40.0, 0.5, peers=9.0))
    assert own == Claim("events_1h", 40.0, "events", ">", 3.0, "own_usual")
    assert others == Claim("events_1h", 40.0, "events", ">", 9.0, "peers")
    alone = Contribution("events_1h", 40.0, 0.5)
    assert EXPLAIN.claim_of(alone) is None


SLOW = Claim("last_latency_ms", 7140.0, "ms", ">", 3000.0, "threshold")
MANY = Claim("events_24h", 381.0, "events", ">", 17.33, "own_usual")
SHARE = Claim("probability", 0.8765, "share", ">=", 0.8, "threshold")
NIGHT = Claim("local_time", 3.5, HOUR_OF_DAY, "<", 5.0, "threshold")


@pytest.mark.parametrize(
    ("summary", "claims", "left"),
    [
        ("the checkout took 7140 ms, more than 3000 ms", [SLOW], []),
        ("the checkout took 7.1 seconds, more than 3 seconds", [SLOW], []),
        ("the checkout took 7.2 seconds", [SLOW], ["7.2"]),
        ("events in 24 hours: 381 (usually 17.3)", [MANY], []),
        ("events in 24 hours: 381 (usually 17.3)", [], ["24", "381", "17.3"]),
        ("22 times as many", [MANY], ["22"]),
        ("88 % likely, at least 80 %", [SHARE], []),
        ("at 03:30, before 05:00", [NIGHT], []),
        ("at 03:31", [NIGHT], ["03:31"]),
        ("“view 7, shoes 12” came 381 times", [MANY], []),
        ("segment2 since -381", [MANY], ["-381"]),
        ("regular in 9 of 10", [], ["9", "10"]),
    ],
)
def test_numbers_that_no_claim_gives_are_found(summary: str, claims: list[Claim], left: list[str]) -> None:
    assert unclaimed_numbers(summary, claims, titles=titles_of(SHOP)) == left


def test_names_may_have_digits() -> None:
    assert unclaimed_numbers("top 10 now", [], names=["top 10"]) == []
