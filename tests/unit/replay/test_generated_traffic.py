"""The invented stream: the same for the same options, in time order, and its personas can be told apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.events.stage import ReadBatch
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

START_MS = 1_700_000_000_000
ECOMMERCE = (
    "page_view",
    "view",
    "search",
    "cart",
    "remove_from_cart",
    "checkout",
    "purchase",
    "login",
    "support",
)
OPTIONS = TrafficOptions(users=2_000, rate=60.0, start_ms=START_MS)


class Story:
    """A stream of 40 minutes, and who is who in it."""

    def __init__(self) -> None:
        traffic = Traffic(OPTIONS)
        self.events = list(traffic.events(140_000))
        self.personas = traffic.personas()
        self.sessions: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in self.events:
            self.sessions[event["session_id"]].append(event)

    def of(self, persona: str) -> list[list[dict[str, Any]]]:
        """Finished sessions of a persona from their first event on."""
        cut_ms = START_MS + 600_000  # sessions of the first minutes may have begun before the stream
        return [
            events
            for events in self.sessions.values()
            if self.personas[events[0]["user_id"]] == persona and events[0]["event_time"] > cut_ms
        ]


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def share_with(sessions: list[list[dict[str, Any]]], event_type: str) -> float:
    return mean(any(event["event_type"] == event_type for event in events) for events in sessions)


def test_the_same_options_give_the_same_events() -> None:
    first, second = (list(Traffic(OPTIONS).events(3_000)) for _ in range(2))
    assert first == second


def test_a_stream_can_be_played_twice() -> None:
    traffic = Traffic(OPTIONS)
    assert list(traffic.events(3_000)) == list(traffic.events(3_000))


@pytest.mark.parametrize(
    "other",
    [
        TrafficOptions(users=2_000, rate=60.0, start_ms=START_MS, seed=8),
        TrafficOptions(users=2_000, rate=60.0, start_ms=START_MS + 1),
        TrafficOptions(users=2_000, rate=60.0, start_ms=START_MS, zipf=1.0),
    ],
)
def test_other_options_give_other_ids(other: TrafficOptions) -> None:
    ids = {event["event_id"] for event in Traffic(OPTIONS).events(1_000)}
    assert ids.isdisjoint(event["event_id"] for event in Traffic(other).events(1_000))


def test_events_are_in_time_order_with_ids_of_their_own(story: Story) -> None:
    times = [event["event_time"] for event in story.events]
    assert times == sorted(times)
    assert times[0] >= START_MS
    assert len({event["event_id"] for event in story.events}) == len(story.events)


def test_every_event_passes_the_pipelines_validation(first_stages: Callable[..., ReadBatch]) -> None:
    records = list(Traffic(OPTIONS).records(20_000))
    events = first_stages(records, ECOMMERCE).events
    assert [event.user_id.encode() for event in events] == [record.key for record in records]
    assert [event.event_time_ms for event in events] == [record.time_ms for record in records]


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        TrafficOptions(users=300, rate=50.0),
        TrafficOptions(users=20_000, rate=400.0, zipf=1.0),
        TrafficOptions(users=1_000, rate=2_000.0),
    ],
)
def test_the_rate_is_met_within_a_fifth_from_the_start(options: TrafficOptions) -> None:
    half_hour_ms = 1_800_000
    limit = min(int(options.rate * 1_900), 200_000)
    times = [event["event_time"] - options.start_ms for event in Traffic(options).events(limit)]
    assert len(times) / (times[-1] / 1000) == pytest.approx(options.rate, rel=0.2)
    first_minute = sum(time_ms < 60_000 for time_ms in times)
    assert first_minute / 60 == pytest.approx(options.rate, rel=0.3)
    assert times[-1] <= half_hour_ms * 1.5


def test_every_persona_takes_part(story: Story) -> None:
    seen = Counter(story.personas[event["user_id"]] for event in story.events)
    assert set(seen) == {
        "bouncer",
        "browser",
        "engaged_shopper",
        "power_user",
        "at_risk",
        "night_owl",
        "bot",
    }


def test_bouncers_make_one_event_and_browsers_never_fill_a_cart(story: Story) -> None:
    assert {len(events) for events in story.of("bouncer")} == {1}
    assert share_with(story.of("browser"), "cart") == 0
    assert mean(len(events) for events in story.of("browser")) > 4


def test_power_users_buy_more_often_than_engaged_shoppers(story: Story) -> None:
    engaged, power = share_with(story.of("engaged_shopper"), "purchase"), share_with(story.of("power_user"), "purchase")
    assert 0.2 < engaged < 0.5
    assert power > engaged + 0.2


def test_at_risk_customers_get_slower_checkouts_and_longer_visits(story: Story) -> None:
    by_visit: dict[bool, list[list[dict[str, Any]]]] = {False: [], True: []}
    for events in story.of("at_risk"):
        visit = int(events[0]["session_id"].rpartition("-s")[2])
        by_visit[visit >= 6].append(events)
    latencies = {
        later: mean(
            e["properties"]["latency_ms"] for events in sessions for e in events if "latency_ms" in e["properties"]
        )
        for later, sessions in by_visit.items()
    }
    spans = {
        later: mean(s[-1]["event_time"] - s[0]["event_time"] for s in sessions) for later, sessions in by_visit.items()
    }
    assert latencies[True] > 3_000 > latencies[False]
    assert spans[True] > 1.3 * spans[False]


def test_a_bot_makes_hundreds_of_views_a_minute_and_nobody_else_does(story: Story) -> None:
    per_minute: Counter[tuple[str, int]] = Counter()
    for event in story.events:
        per_minute[event["user_id"], event["event_time"] // 60_000] += 1
    most: Counter[str] = Counter()
    for (user, _), count in per_minute.items():
        persona = story.personas[user]
        most[persona] = max(most[persona], count)
    assert 200 < most.pop("bot") < 600
    assert max(most.values()) < 100


def test_night_owls_come_in_bursts_while_it_is_night_where_they_are(story: Story) -> None:
    owls = [event for event in story.events if story.personas[event["user_id"]] == "night_owl"]
    local_min = {(event["event_time"] // 60_000 + event["context"]["utc_offset_min"]) % 1440 for event in owls}
    assert max(local_min) < 300
    starts = [events[0]["event_time"] - START_MS for events in story.of("night_owl")]
    assert {60_000 <= start_ms % 600_000 < 182_000 for start_ms in starts} == {True}
    per_minute = Counter((event["event_time"] - START_MS) // 60_000 for event in owls)
    assert max(per_minute.values()) > 4 * len(owls) / 40


def test_nights_end_and_come_again() -> None:
    options = TrafficOptions(users=100, rate=0.5, start_ms=START_MS)
    traffic = Traffic(options)
    personas = traffic.personas()
    hours = Counter(
        (event["event_time"] - START_MS) // 3_600_000
        for event in traffic.events(60_000)
        if personas[event["user_id"]] == "night_owl"
    )
    assert {0, 1, 2, 22, 23, 24, 25, 26} <= set(hours)
    assert not {hour for hour in hours if 4 <= hour < 22}


def test_zipf_makes_some_users_much_more_active() -> None:
    def top_share(zipf: float) -> float:
        traffic = Traffic(TrafficOptions(users=5_000, rate=50.0, zipf=zipf))
        personas = traffic.personas()
        events = Counter(
            event["user_id"] for event in traffic.events(60_000) if personas[event["user_id"]] == "browser"
        )
        return sum(count for _, count in events.most_common(50)) / events.total()

    assert top_share(1.0) > 1.5 * top_share(0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (TrafficOptions(users=19), "users = 19: expected at least 20"),
        (TrafficOptions(rate=0.0), r"rate = 0\.0: expected events a second"),
        (TrafficOptions(rate=float("nan")), "rate = nan"),
        (TrafficOptions(zipf=-1.0), r"zipf = -1\.0: expected 0 to 5"),
    ],
)
def test_refuses_options_out_of_range(options: TrafficOptions, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Traffic(options)
