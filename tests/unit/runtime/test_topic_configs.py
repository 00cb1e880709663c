"""Which configuration of a topic is as good as ours, and which would lose something."""

from __future__ import annotations

import pytest

from ubi_stream.errors import TopicLayoutError
from ubi_stream.runtime.topic_check import TopicDifference, compare, require_harmless
from ubi_stream.runtime.topics import CHANGELOG, DEAD_LETTERS, EVENTS, LOG


@pytest.mark.parametrize("wanted", [CHANGELOG, DEAD_LETTERS, EVENTS, LOG])
def test_what_we_make_is_what_we_want(wanted: dict[str, str]) -> None:
    assert compare("t", wanted, {**wanted, "flush.ms": "1"}) == []


@pytest.mark.parametrize(
    ("wanted", "key", "found", "differs"),
    [
        (LOG, "retention.ms", "1", True),
        (LOG, "retention.ms", "999999999999", False),  # longer is the operator's choice
        (LOG, "retention.ms", "-1", False),  # for ever
        (EVENTS, "message.timestamp.type", "CreateTime", True),
        (DEAD_LETTERS, "max.message.bytes", "1048588", True),
        (CHANGELOG, "max.compaction.lag.ms", "9223372036854775807", True),  # what was erased would stay
        (CHANGELOG, "min.compaction.lag.ms", "0", True),
        (CHANGELOG, "segment.ms", "60000", False),
    ],
)
def test_a_value_may_be_better_than_ours(wanted: dict[str, str], key: str, found: str, differs: bool) -> None:
    differences = compare("t", wanted, {**wanted, key: found})
    assert [(one.key, one.found, one.harm) for one in differences] == ([(key, found, "")] if differs else [])
    require_harmless(differences)


@pytest.mark.parametrize("wanted", [CHANGELOG, LOG, EVENTS])
@pytest.mark.parametrize("policy", ["compact", "delete", "compact,delete"])
def test_a_policy_that_loses_something_is_refused_with_the_command_that_corrects_it(
    wanted: dict[str, str], policy: str
) -> None:
    differences = compare("t", wanted, {**wanted, "cleanup.policy": policy})
    if policy == wanted["cleanup.policy"]:
        assert differences == []
        return
    with pytest.raises(
        TopicLayoutError, match=f"--entity-name t --add-config cleanup.policy={wanted['cleanup.policy']}"
    ):
        require_harmless(differences)


def test_a_topic_whose_configuration_is_not_told_differs_in_nothing() -> None:
    assert compare("t", LOG, {}) == []


def test_a_difference_is_one_sentence() -> None:
    harmful = TopicDifference("t", "cleanup.policy", "delete", "compact", "states would be deleted")
    assert str(harmful) == "topic t has cleanup.policy=delete, compact is wanted: states would be deleted"
