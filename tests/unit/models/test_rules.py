"""How common a rule is."""

from __future__ import annotations

import pytest

from ubi_stream.packs.segments import Condition, Rule
from ubi_stream.rules.risks import FADING_USER_DAYS, PRIOR_USER_DAYS, RuleShares


def rule(usual_share: float) -> Rule:
    when = (Condition(feature="events_1h", op=">", value=3),)
    return Rule(name="busy", summary="{events_1h} events", when=when, usual_share=usual_share)


def test_before_anybody_was_seen_the_share_is_what_the_pack_expects() -> None:
    assert RuleShares().of(rule(0.02)) == pytest.approx(0.02)


def test_what_was_seen_outweighs_what_was_expected() -> None:
    shares = RuleShares()
    for number in range(3000):
        shares.add_user()
        if number % 10 == 0:
            shares.add_met("busy")
    assert shares.of(rule(0.001)) == pytest.approx(0.1, abs=0.01)


def test_what_was_common_long_ago_fades() -> None:
    shares = RuleShares()
    for _ in range(1000):
        shares.add_user()
        shares.add_met("busy")
    for _ in range(round(5 * FADING_USER_DAYS)):
        shares.add_user()
    assert shares.of(rule(0.0)) < 0.01


def test_a_share_is_never_above_one() -> None:
    shares = RuleShares(users=0.0, met={"busy": 10 * PRIOR_USER_DAYS})
    assert shares.of(rule(1.0)) == 1.0
