"""What the API says about one entity, and of which ids it can be asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from support.web_worker import T0, Client, MemoryWorker, Serve, event, path_of
from ubi_stream.packs.plan import compile_plan
from ubi_stream.state.model import UserState
from ubi_stream.web.profile import profile


async def profile_of(client: Client, user: str) -> dict[str, Any]:
    response = await client.get(path_of(user))
    assert response.status == 200, await response.text()
    assert response.content_type == "application/json"
    document: dict[str, Any] = msgspec.json.decode(await response.read())
    return document


async def test_a_profile_says_who_since_when_and_in_which_segment(client: Client) -> None:
    document = await profile_of(client, "u1")
    assert (document["id"], document["entity"], document["pack"]) == ("u1", "user", "ecommerce")
    assert document["first_seen"] == "2019-09-30T23:00:00.000Z"
    assert document["last_seen"] == "2019-09-30T23:05:00.000Z"
    assert document["segment"] == {"name": "new", "since": "2019-09-30T23:00:00.000Z"}
    assert document["counters"] == {"events": 6, "conversions": 1, "labels": 0, "late": 0}
    assert document["categories"] == {"shoes": 5}
    assert document["hour_profile"] == [0] * 23 + [6]


async def test_windows_count_by_type_and_end_with_the_newest_event(client: Client) -> None:
    # minute   0 1 2 3  4    5
    # type     v v v v  cart purchase     panes of 5 min: [0, 5) [5, 10)
    windows = (await profile_of(client, "u1"))["windows"]
    assert list(windows) == ["5m", "1h", "24h", "7d", "30d"]
    assert windows["5m"] == {"events": 1, "by_type": {"purchase": 1}, "amount": 59.9}
    for name in ("1h", "24h", "7d", "30d"):
        assert windows[name] == {"events": 6, "by_type": {"view": 4, "cart": 1, "purchase": 1}, "amount": 59.9}


async def test_the_session_under_way_and_those_that_ended(client: Client, worker: MemoryWorker) -> None:
    before = await profile_of(client, "u1")
    assert before["sessions"]["ended"] == 0
    assert before["latest_session"] == {
        "id": "s1",
        "visit_class_confidence": None,
        "confidence_status": {"status": "warming_up", "n": 0, "of": 50},
        "visit_class": "browser",
        "started_at": "2019-09-30T23:00:00.000Z",
        "last_at": "2019-09-30T23:05:00.000Z",
        "duration_s": 300.0,
        "events": 6,
        "interests": 4,
        "intents": 1,
        "conversions": 1,
        "amount": 59.9,
        "last_event_type": "purchase",
    }
    worker.take([event("u1", "view", T0 + 3_000_000, session="s2")])
    after = await profile_of(client, "u1")
    assert after["sessions"] == {
        "ended": 1,
        "bounces": 0,
        "converted": 1,
        "mean_duration_s": 300.0,
        "mean_events": 6.0,
    }
    assert after["latest_session"]["id"] == "s2"


async def test_amounts_and_latency_against_what_was_usual(client: Client, worker: MemoryWorker) -> None:
    assert (await profile_of(client, "u1"))["amount"] == {"newest": 59.9, "mean": None, "deviation": None, "values": 0}
    worker.take([event("u1", "purchase", T0 + 400_000, session="s1", price=10)])
    document = await profile_of(client, "u1")
    assert document["amount"] == {"newest": 10.0, "mean": 59.9, "deviation": 0.0, "values": 1}
    assert document["latency_ms"]["newest"] == 420.0


async def test_features_are_those_of_the_pack_and_null_where_there_is_none_yet(
    client: Client, worker: MemoryWorker
) -> None:
    features = (await profile_of(client, "u1"))["features"]
    assert list(features) == list(worker.pack.entities[0].features)
    assert features["conversions_30d"] == 1.0
    assert features["amount_z"] is None


async def test_an_entity_with_exact_windows_shows_them_with_its_labels(serve: Serve) -> None:
    def payment(user: str, at_ms: int, tx: str, amount: float) -> Any:
        return event(user, "payment", at_ms, tx_id=tx, amount=amount, terminal_id="t/1")

    day = 86_400_000
    worker = MemoryWorker(
        "payments",
        [
            payment("c1", T0 - 2 * day, "x1", 5.25),
            payment("c1", T0 - 60_000, "x2", 7.5),
            payment("c1", T0, "x3", 1.0),
            event("c1", "$label", T0 + 1000, tx_id="x2", terminal_id="t/1", fraud=True),
        ],
    )
    client = await serve(worker)
    document = await profile_of(client, "c1")
    assert document["windows"]["24h"] == {
        "events": 2,
        "by_type": {"payment": 2},
        "amount": 8.5,
        "labelled": 1,
        "labelled_bad": 1,
    }
    assert document["windows"]["7d"]["events"] == 3
    response = await client.get(path_of("t/1").with_query(entity="terminal"))
    terminal = await response.json()
    assert (terminal["id"], terminal["entity"], terminal["counters"]["events"]) == ("t/1", "terminal", 3)


def test_an_event_type_that_the_pack_keeps_without_knowing_it_is_other(worker: MemoryWorker) -> None:
    plan = compile_plan(worker.pack, "user")
    state = UserState(events=1)
    state.days.add(0, 30, plan.other_type, 0)
    assert profile(plan, "u", state, {})["windows"]["30d"]["by_type"] == {"other": 1}


ODD_IDS = [
    "a/b", "a%2Fb", "a%252fb", "/", "//", "ünïcødé", "漢字", "a b", "a+b", "a?b#c&d=e", "%", "%zz", "a\\b", "a;b:c@d",
    "<script>alert(1)</script>", "'; DROP TABLE insights --", "insights", "u1/insights", "\u202e\u0000x", "{id}",
]  # fmt: skip


@pytest.mark.parametrize("user", ODD_IDS)
async def test_any_id_can_be_asked_for_percent_encoded(client: Client, worker: MemoryWorker, user: str) -> None:
    worker.take([event(user, "view", T0)])
    assert (await profile_of(client, user))["id"] == user


@pytest.mark.parametrize("user", [".", ".."])
async def test_ids_that_urls_take_for_folders_are_no_way_out_of_the_route(
    client: Client, worker: MemoryWorker, user: str
) -> None:
    worker.take([event(user, "view", T0)])
    response = await client.get(path_of(user))
    assert response.status in (200, 404)
    assert response.content_type in ("application/json", "application/problem+json")


async def test_an_unknown_user_is_a_404_that_does_not_repeat_the_id(client: Client) -> None:
    response = await client.get(path_of("nobody"))
    assert response.status == 404
    document = msgspec.json.decode(await response.read())
    assert document["type"] == "urn:ubi:problem:unknown-entity"
    assert document["detail"] == "Nothing is known about this user"


@pytest.mark.parametrize(
    "path", ["/api/v1/users/u1?entity=planet", "/api/v1/users/u1?x=1", f"/api/v1/users/{'é' * 129}"]
)
async def test_nonsense_is_a_400(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 400
    assert (await response.json(content_type=None))["type"] == "urn:ubi:problem:invalid-request"
