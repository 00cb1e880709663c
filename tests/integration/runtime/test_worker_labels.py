"""An anomaly is told, a person labels it over the API and over Kafka, and the next one alike is told or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from support.probe import MINUTE_MS, START_MS, event
from support.topics import Offsets, read_topic
from support.waiting import eventually
from support.workers import WorkerProcess, send
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.operations.labelling import by_kafka
from ubi_stream.settings import Settings
from ubi_stream.web.views.labels import LabelBody

MakeWorker = Callable[..., WorkerProcess]

PACK = """
name = "till"
version = 1
description = "Sales at tills, where a price far from the usual one is odd"

[events]
types = ["sale"]
[events.roles]
amount = "price"
amount_types = ["sale"]

[[entities]]
name = "user"
features = ["last_amount", "amount_z", "recency_s"]

[[segments]]
name = "everybody"

[models.anomaly]
trees = 10
height = 5
window = 50
alert_rate = 0.01
warm_up = 300
min_entity_events = 5
low_one_in = 50                    # ten tills on one day: more can't be known of how rare it is among them
cool_down_min = 0
"""


@dataclass
class Tills:
    """Ten tills that sell at steady prices, one sale a minute, and now and then for far too much."""

    settings: Settings
    minute: int = 0

    def sale(self, user: str, price: float) -> ProducerRecord:
        self.minute += 1
        at_ms = START_MS + self.minute * MINUTE_MS
        value = event(user, at_ms, "sale", event_id=f"sale-{self.minute}", price=price)
        return ProducerRecord(user.encode(), json.dumps(value).encode())

    async def sell(self, sales: int) -> None:
        prices = (10.0 + (7 * number) % 13 / 10 for number in range(sales))
        await send(self.settings, [self.sale(f"till-{n % 10}", price) for n, price in enumerate(prices)])

    async def sell_oddly(self) -> int:
        """One sale of till-3 for far too much; returns its number."""
        await send(self.settings, [self.sale("till-3", 900.0)])
        return self.minute


async def insights(settings: Settings, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(record.value)["data"] for record in await read_topic(settings, settings.insights_topic)]
    return [data for data in found if data["kind"] == kind]


async def anomaly_of(settings: Settings, sale: int) -> dict[str, Any] | None:
    return next((i for i in await insights(settings, "anomaly") if i["trace_id"] == f"sale-{sale}"), None)


async def is_past(worker: WorkerProcess, tills: Tills) -> None:
    """Wait until all sales are committed: what they bring about is on its topic then."""
    async with Offsets(worker.settings) as offsets:
        await offsets.all_committed(tills.minute)


async def post(worker: WorkerProcess, label: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
    headers = {"Idempotency-Key": key}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{worker.url}/api/v1/labels", json=label, headers=headers) as response,
    ):
        return response.status, await response.json(content_type=None)


async def answered(worker: WorkerProcess, label: dict[str, Any]) -> dict[str, Any]:
    """The answer to a label; a busy machine may need more than the one second that an answer is waited for."""
    key, delayed_labels = uuid4().hex, []

    async def done() -> bool:
        status, answer = await post(worker, label, key)
        assert status in (200, 202), answer
        delayed_labels.append(answer)
        return status == 200

    await eventually(done, 20, "the label is answered")
    return delayed_labels[-1]


async def test_a_false_alarm_is_not_told_again_and_a_hit_is(
    settings: Settings, make_worker: MakeWorker, tmp_path: Path
) -> None:
    pack = tmp_path / "till.toml"
    pack.write_text(PACK, encoding="utf-8")
    worker = await make_worker(pack=str(pack), partitions=1).started()
    tills = Tills(worker.settings)
    await tills.sell(600)
    odd = await tills.sell_oddly()
    await is_past(worker, tills)
    first = await anomaly_of(worker.settings, odd)
    assert first is not None
    assert first["user_id"] == "till-3"

    predicted = {"user_id": "till-3", "insight_id": first["id"], "author": "ann"}
    answer = await answered(worker, predicted | {"label": "false_positive"})
    assert (answer["status"], answer["insight"]["label"]) == ("learned", "false_positive")
    assert answer["insight"]["evidence"]["threshold"]["after"] >= first["score"]
    await tills.sell(50)
    again = await tills.sell_oddly()
    await is_past(worker, tills)
    assert await anomaly_of(worker.settings, again) is None

    words = LabelBody("till-3", "confirmed", first["id"], author="bob")
    changed = await by_kafka(words, worker.settings, f"label/{uuid4().hex}", SystemClock(), within_s=20)
    assert changed["status"] == "changed"
    assert changed["insight"]["evidence"]["threshold"]["after"] < first["score"]
    await tills.sell(50)
    third = await tills.sell_oddly()
    await is_past(worker, tills)
    delivered = await anomaly_of(worker.settings, third)
    assert delivered is not None
    assert 0.5 < delivered["evidence"]["confirmed"] < 1.0

    repeated = await answered(worker, predicted | {"label": "confirmed"})
    assert repeated["status"] == "repeated"
    labels = await insights(worker.settings, "label")
    assert [i["evidence"]["status"] for i in labels] == ["learned", "changed", "repeated"]
    assert [i["evidence"]["author"] for i in labels] == ["ann", "bob", "ann"]
    status, profile = await worker.get("/api/v1/users/till-3")
    assert (status, profile["counters"]["labels"]) == (200, 3)
    assert await worker.metric('ubi_labels_total{pack="till",status="changed"}') == 1
    assert "ann" not in worker.log_tail()
    assert await worker.stop() == 0
