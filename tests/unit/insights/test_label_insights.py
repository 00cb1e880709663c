"""A person's label between two events: what it is answered with, and what is told of the user from then on."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from support.folding import Runner
from support.probe import DAY_MS, MINUTE_MS, START_MS, event, probe_pack, record
from support.streams import Stream
from ubi_stream.effects import Effects
from ubi_stream.events.model import Record
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.state.model import UserState

PACK = probe_pack(("cool_down_min = 20", "cool_down_min = 0"))
"""Each alert is told."""


@pytest.fixture(autouse=True)
def _thresholds_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.models.anomaly.stage.OnlineQuantile", functools.partial(OnlineQuantile, block=20))


def of_kind(effects: Effects, kind: InsightKind) -> list[Insight]:
    return [insight for insight in effects.insights if insight.kind is kind]


def behaviour(seed: int) -> list[Record]:
    """A lively stream without labels of people, at every other offset."""
    lively = [
        record(value, 2 * number, key=key, timestamp_ms=arrived_ms)
        for number, (key, value, arrived_ms) in enumerate(Stream(seed).contents(300))
    ]
    return [one for one in lively if b'"label"' not in (one.value or b"")]


def label_record(user: str, offset: int, at_ms: int, predicted: dict[str, Any]) -> Record:
    predicted = {"event_id": f"label-{offset}", "label": "false_positive"} | predicted
    return record(event(user, at_ms, "$label", **predicted), offset, timestamp_ms=at_ms)


def anomalies(records: list[Record]) -> list[Insight]:
    """What is told of these, one after another."""
    runner = Runner(PACK)
    return [insight for one in records for insight in of_kind(runner.run_records([one]), InsightKind.ANOMALY)]


def labelled(records: list[Record], first: Insight, label: str) -> set[str]:
    """Ids of anomalies, if the first one was labelled so right after it was told."""
    at_ms = next(one.timestamp_ms for one in records if one.offset == first.source.offset)
    predicted = label_record(first.user_id, first.source.offset + 1, at_ms, {"insight_id": first.id, "label": label})
    return {found.id for found in anomalies(sorted([*records, predicted], key=lambda one: one.offset))}


def test_after_a_false_alarm_the_next_alert_that_is_no_stronger_is_not_told_and_after_a_hit_it_is() -> None:
    compared = 0
    for seed in range(4):
        records = behaviour(seed)
        delivered = anomalies(records)
        for number, first in enumerate(delivered):
            again = next((later for later in delivered[number + 1 :] if later.user_id == first.user_id), None)
            if again is None or (again.score or 1.0) > (first.score or 0.0):
                continue
            assert again.id not in labelled(records, first, "false_positive")
            assert again.id in labelled(records, first, "confirmed")
            compared += 1
            break
    assert compared >= 2


class Desk:
    """A partition with one told anomaly, and a person who labels it."""

    def __init__(self) -> None:
        self.runner = Runner(PACK)
        self.delivered: list[Insight] = []
        for one in behaviour(2):
            self.delivered += of_kind(self.runner.run_records([one]), InsightKind.ANOMALY)
            self.now_ms, self.runner.offset = one.timestamp_ms, one.offset
        self.last = self.delivered[-1]

    def send(self, user: str | None = None, **predicted: Any) -> Effects:
        """What a label brings about."""
        self.runner.offset += 1
        predicted = {"insight_id": self.last.id} | predicted
        return self.runner.run_records(
            [label_record(user or self.last.user_id, self.runner.offset, self.now_ms, predicted)]
        )

    def label(self, user: str | None = None, **predicted: Any) -> Insight:
        """What a label is answered with."""
        (answer,) = self.send(user, **predicted).insights
        assert answer.kind is InsightKind.LABEL
        return answer

    @property
    def state(self) -> UserState:
        found = self.runner.state(self.last.user_id)
        assert found is not None
        return found


@pytest.fixture
def replies() -> Desk:
    return Desk()


def test_a_label_is_answered_with_what_changed(replies: Desk) -> None:
    answer = replies.label(author="ann", note="a crawler", weight=2)
    assert (answer.user_id, answer.label, answer.entity) == (replies.last.user_id, "false_positive", "user")
    predicted = {
        name: answer.evidence[name] for name in ("status", "insight_id", "outcome", "weight", "author", "note")
    }
    assert predicted == {"status": "learned", "insight_id": replies.last.id, "outcome": None, "weight": 2.0,
                    "author": "ann", "note": "a crawler"}  # fmt: skip
    assert answer.evidence["probability"]["before"] == 0.5
    assert answer.score == answer.evidence["probability"]["after"]
    assert answer.evidence["threshold"]["after"] > replies.last.score
    assert answer.evidence["peers_threshold"]["after"] > answer.evidence["peers_threshold"]["before"]
    assert (answer.evidence["labels"], answer.evidence["entity_labels"]) == (1, 1)
    assert answer.explanation.summary.startswith("Taken for a false alarm; from now on this user alerts above 0.")


def test_the_sentence_says_what_became_of_it(replies: Desk) -> None:
    sentences = [
        replies.label(label="confirmed").explanation.summary,
        replies.label(label="confirmed").explanation.summary,
        replies.label(label="false_positive").explanation.summary,
        replies.label(insight_id="00000000-0000-0000-0000-000000000000").explanation.summary,
        replies.label(label="ignored").explanation.summary,
    ]
    assert [sentence.split(";")[0] for sentence in sentences] == [
        "Confirmed",
        "The same was said before: nothing changed",
        "Taken for a false alarm, against what was said before",
        "The label is about nothing that is still kept of this user: nothing was learned from it",
        "No model here learns ignored: nothing was learned from it",
    ]
    assert all("None" not in sentence and "nan" not in sentence for sentence in sentences)


def test_a_label_sent_twice_is_one_label(replies: Desk) -> None:
    before = replies.state.labels
    replies.label(event_id="once")
    effects = replies.send(event_id="once")
    assert effects.insights == []
    assert effects.tally.duplicates == 1
    assert replies.state.labels == before + 1


@pytest.mark.parametrize("years", [-5, 0, 5])
def test_a_label_is_no_behaviour_and_its_time_moves_nothing_on(replies: Desk, years: int) -> None:
    state, watermark_ms = replies.state, replies.runner.partition.progress.watermark_ms
    before = (state.events, state.last_ms, state.session.events, state.hour_profile[:], list(state.recent_ids)[:3])
    replies.now_ms += years * 365 * DAY_MS
    effects = replies.send()
    assert [insight.kind for insight in effects.insights] == [InsightKind.LABEL]
    assert effects.features == []
    assert effects.forwards == []
    assert effects.tally.unmatched_labels == effects.tally.late == 0
    after = (state.events, state.last_ms, state.session.events, state.hour_profile[:], list(state.recent_ids)[:3])
    assert after == before
    assert replies.runner.partition.progress.watermark_ms == watermark_ms


def test_an_alert_says_how_likely_a_person_confirms_it_once_there_are_labels(replies: Desk) -> None:
    assert replies.last.evidence["confirmed"] is None
    replies.label(label="confirmed")
    replies.runner.offset += 1
    later = [
        found
        for n in range(200)
        for found in of_kind(
            replies.runner.run(
                event(
                    f"user-{n % 8}", replies.now_ms + n * MINUTE_MS, "purchase", price=10.0 ** (n % 5), latency_ms=9e4
                )
            ),
            InsightKind.ANOMALY,
        )
    ]
    assert later
    assert all(0.0 < found.evidence["confirmed"] < 1.0 for found in later)


def test_a_label_of_a_user_of_whom_nothing_is_known_is_answered_and_makes_no_user(replies: Desk) -> None:
    delayed_labels = [replies.label(user="nobody", event_id="same") for _ in range(2)]
    assert [answer.evidence["status"] for answer in delayed_labels] == ["unknown_insight"] * 2
    assert len({answer.id for answer in delayed_labels}) == 2
    assert replies.runner.state("nobody") is None


def test_a_label_of_a_shop_is_about_the_shop(replies: Desk) -> None:
    runner = Runner(PACK, entity="shop")
    runner.run(event("u1", START_MS, "purchase", shop_id="s1", price=3.0))
    (answer,) = runner.run(event("s1", START_MS, "$label", shop_id="s1", label=True)).insights
    assert (answer.entity, answer.user_id, answer.evidence["status"]) == ("shop", "s1", "unknown_insight")
