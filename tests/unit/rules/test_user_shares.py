"""How common a rule is, and how far users go past its threshold."""

from __future__ import annotations

import pytest

from ubi_stream.packs.segments import Condition, RiskRule
from ubi_stream.rules.user_shares import FADING_USER_DAYS, PRIOR_USER_DAYS, STEPS, RuleShares, steps_past


def rule(usual_share: float = 0.001, common_above: float = 0.001) -> RiskRule:
    when = (Condition(feature="events_1h", op=">", value=3),)
    return RiskRule(
        name="busy", summary="{events_1h} events", when=when, usual_share=usual_share, common_above=common_above
    )


def seen(users: int, *, each: int, last: int) -> RuleShares:
    """So many days of users; one of `each` of them reaches the steps up to `last`."""
    shares = RuleShares()
    for number in range(users):
        shares.add_user()
        if number % each == 0:
            shares.add_reached("busy", 0, last)
    return shares


def test_before_anybody_was_seen_the_share_is_what_the_pack_expects() -> None:
    assert RuleShares().share(rule(0.02), 0, 0) == pytest.approx(0.02)


def test_what_was_seen_outweighs_what_was_expected() -> None:
    assert seen(3000, each=10, last=0).share(rule(), 0, 0) == pytest.approx(0.1, abs=0.01)


def test_what_was_common_long_ago_fades() -> None:
    shares = seen(1000, each=1, last=0)
    for _ in range(round(5 * FADING_USER_DAYS)):
        shares.add_user()
    assert shares.share(rule(0.0), 0, 0) < 0.01


def test_a_share_is_never_above_one() -> None:
    shares = RuleShares(users=0.0, reached={"busy": [10 * PRIOR_USER_DAYS] * STEPS})
    assert shares.share(rule(1.0), 0, 0) == 1.0


def test_what_many_meet_is_common_and_what_goes_far_beyond_it_is_not() -> None:
    shares = seen(2000, each=50, last=1)
    assert [shares.is_common(rule(), 0, step) for step in range(4)] == [True, True, False, False]


def test_two_by_chance_are_not_common_and_many_are() -> None:
    assert not seen(1000, each=500, last=0).is_common(rule(), 0, 0)
    assert seen(400, each=20, last=0).is_common(rule(), 0, 0)


def test_a_pack_may_expect_that_it_is_common_until_the_stream_shows_that_it_is_not() -> None:
    expected = rule(usual_share=0.02, common_above=0.002)
    assert RuleShares().is_common(expected, 0, 0)
    assert not seen(3000, each=3000, last=0).is_common(expected, 0, 0)


@pytest.mark.parametrize(
    ("op", "bound", "value", "steps"),
    [
        (">", 30.0, 31.0, 0),
        (">=", 30.0, 30.0, 0),
        (">", 30.0, 60.0, 3),
        ("<", 3.0, 1.5, 3),
        ("<", 3.0, 0.0, STEPS - 1),
        (">", 30.0, 1e9, STEPS - 1),
        (">=", 0.0, 5.0, 0),
        ("==", 1.0, 1.0, 0),
    ],
)
def test_steps_are_equal_factors_past_the_threshold(op: str, bound: float, value: float, steps: int) -> None:
    assert steps_past(Condition.model_validate({"feature": "events_1h", "op": op, "value": bound}), value) == steps
