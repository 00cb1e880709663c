"""A user's days ahead: made on demand, warming up until there are enough days, asked of the worker that has them."""

from __future__ import annotations

from typing import Any

import pytest

from support.web_worker import T0, Client, MemoryWorker, Serve, event, path_of
from ubi_stream.metrics.status import Owner, StateLocation

DAY_MS = 86_400_000
PRICES = [20.0, 35.0, 15.0, 30.0]


def days_of(user: str, days: int) -> list[Any]:
    """One purchase a day, the newest on 2019-09-30."""
    return [
        event(user, "purchase", T0 - (days - 1 - n) * DAY_MS, price=PRICES[n % 4], category="tea") for n in range(days)
    ]


@pytest.fixture
async def shop(serve: Serve) -> Client:
    return await serve(MemoryWorker(events=[*days_of("known", 21), *days_of("new", 9)]))


async def test_the_days_from_the_newest_event_on_with_interval_total_category_and_backtest(shop: Client) -> None:
    document = await (await shop.get(path_of("known", "/forecast"))).json()
    assert (document["id"], document["status"], document["active_days"]) == ("known", "ready", 20)
    forecast = document["forecast"]
    assert [day["date"] for day in forecast["days"]][:2] == ["2019-09-30", "2019-10-01"]
    assert len(forecast["days"]) == 7
    for figure in (*forecast["days"], forecast["total"], forecast["by_category"]["tea"]):
        assert 0 < figure["low"] <= figure["expected"] <= figure["high"]
    assert forecast["total"]["expected"] == pytest.approx(7 * 25, rel=0.1)
    assert forecast["backtest"]["days"] == 13


async def test_too_few_days_are_told_as_warming_up(shop: Client) -> None:
    document = await (await shop.get(path_of("new", "/forecast"))).json()
    assert (document["status"], document["active_days"], document["min_days"]) == ("warming_up", 8, 14)
    assert document["forecast"] is None


async def test_another_target_and_horizon_may_be_asked_for(shop: Client) -> None:
    document = await (await shop.get(path_of("known", "/forecast") % {"target": "events", "days": "2"})).json()
    forecast = document["forecast"]
    assert (forecast["target"], len(forecast["days"]), forecast["by_category"]) == ("events", 2, {})
    assert forecast["total"]["expected"] == pytest.approx(2)


async def test_a_terminal_has_days_too_in_a_pack_of_payments(serve: Serve) -> None:
    client = await serve(MemoryWorker("payments", [event("u", "payment", T0, amount=3.0, terminal_id="t", tx_id="x")]))
    document = await (await client.get(path_of("t", "/forecast") % {"entity": "terminal"})).json()
    assert (document["entity"], document["status"]) == ("terminal", "warming_up")


@pytest.mark.parametrize(
    ("query", "predicted"),
    [({"days": "15"}, "days"), ({"days": "0"}, "days"), ({"target": "love"}, "target"), ({"horizon": "7"}, "horizon")],
)
async def test_wrong_questions_are_refused(shop: Client, query: dict[str, str], predicted: str) -> None:
    response = await shop.get(path_of("known", "/forecast") % query)
    assert response.status == 400
    assert predicted in (await response.json())["detail"]


async def test_an_unknown_user_has_none(shop: Client) -> None:
    assert (await shop.get(path_of("stranger", "/forecast"))).status == 404


async def test_another_workers_user_is_asked_there_with_the_same_question(serve: Serve) -> None:
    there = await serve(MemoryWorker(events=days_of("known", 21)))
    here_worker = MemoryWorker()
    here_worker.owners["known"] = Owner(StateLocation.ELSEWHERE, str(there.make_url("")).rstrip("/"))
    here = await serve(here_worker)
    asked = path_of("known", "/forecast") % {"days": "3"}
    assert await (await here.get(asked)).json() == await (await there.get(asked)).json()
