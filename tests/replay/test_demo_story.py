"""The demo's story through the shipped pack: each incident is found soon, and before it nothing is alarming."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, takewhile

import pytest

from ubi_stream.data.records import record_of
from ubi_stream.insights.model import Insight, Severity
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.synthetic.story import BOT, BROKEN_TRACKING, HURRY, NIGHT, SLOW_CHECKOUT, Scene, Story

NOW_MS = 1_790_000_000_000
END_MS = NOW_MS + 300_000
SOON_S = 60


@pytest.fixture(scope="module")
def noticed() -> list[Insight]:
    """All insights of the history and of five minutes of the story, in the order of their times."""
    story = Story(users=4_000, rate=10.0, now_ms=NOW_MS, seed=7)
    events = chain(story.regulars(), story.ordinary_until(NOW_MS), story.events(NOW_MS))
    records = (
        record_of(event, event["event_time"]) for event in takewhile(lambda event: event["event_time"] < END_MS, events)
    )
    run = OfflineRun(load_pack("ecommerce"), Settings(_env_file=None), now_ms=END_MS)
    found = [insight for effects in run.run(records) for insight in effects.insights]
    return sorted(found, key=lambda insight: insight.at_ms)


def of_scene(noticed: list[Insight], scene: Scene, *labels: str) -> Iterator[Insight]:
    from_ms = NOW_MS + scene.at_s * 1000
    return (one for one in noticed if one.label in labels and from_ms <= one.at_ms <= from_ms + SOON_S * 1000)


@pytest.mark.parametrize(
    ("scene", "label", "about"),
    [
        (BOT, "bot_pace", "user"),
        (HURRY, "impulsivity", "user"),
        (SLOW_CHECKOUT, "checkout_latency", "population"),
        (NIGHT, "night_watch", "population"),
        (BROKEN_TRACKING, "tracking_broke", "population"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_incident_is_found_within_a_minute(noticed: list[Insight], scene: Scene, label: str, about: str) -> None:
    found = [one for one in of_scene(noticed, scene, label) if one.entity == about]
    assert found, f"{scene.title}: nothing of label {label}"
    assert found[0].severity in (Severity.HIGH, Severity.MEDIUM)


def test_one_insight_tells_of_all_where_all_are_concerned(noticed: list[Insight]) -> None:
    for scene, label in ((SLOW_CHECKOUT, "checkout_latency"), (NIGHT, "night_watch")):
        of_all = {one.id for one in of_scene(noticed, scene, label) if one.entity == "population"}
        of_users = [one for one in of_scene(noticed, scene, label) if one.entity == "user"]
        assert len(of_all) == 1
        assert len(of_users) <= 16  # those before it was known


def test_most_of_what_is_loud_is_of_the_story(noticed: list[Insight]) -> None:
    loud = {one.id for one in noticed if one.severity in (Severity.HIGH, Severity.MEDIUM)}
    before = {one.id for one in noticed if one.at_ms < NOW_MS} & loud
    assert len(before) <= 10
