"""What supervisors, Prometheus and the page ask a worker."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from support.web_worker import Client, MemoryWorker, Serve
from ubi_stream.metrics.status import Check


async def test_alive_says_nothing_about_the_world_around(client: Client, worker: MemoryWorker) -> None:
    worker.checks = (Check("broker", ok=False, message="Kafka is away"),)
    response = await client.get("/health/live")
    assert (response.status, await response.json()) == (200, {"status": "alive"})


async def test_not_ready_tells_the_checks_that_fail_and_only_those(client: Client, worker: MemoryWorker) -> None:
    worker.checks = (Check("broker", ok=True), Check("recovery", ok=False, message="38 % of the records are restored"))
    response = await client.get("/health/ready")
    document = await response.json(content_type="application/problem+json")
    assert response.status == 503
    assert response.headers["Retry-After"] == "2"
    assert document["type"] == "urn:ubi:problem:not-ready"
    assert document["detail"] == "Not ready: recovery, database"
    assert document["checks"] == [
        {"name": "recovery", "ok": False, "message": "38 % of the records are restored"},
        {"name": "database", "ok": False, "message": "This worker has no database"},
    ]


async def test_metrics_are_in_prometheus_text_format(client: Client) -> None:
    response = await client.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(await response.text())}
    assert {"ubi_events", "ubi_insights", "ubi_build_info"} <= names


async def test_models_say_how_far_they_are_and_how_far_behind_the_partitions(client: Client) -> None:
    document = await (await client.get("/api/v1/models")).json()
    assert document["pack"] == "ecommerce"
    candidates = [("buys_in_visit", "line"), ("buys_in_visit", "blend"), ("buys_in_visit", "tree")]
    each = [("", "anomaly"), *candidates, ("returns_within_week", "line")]
    arms = [("", "bandit/at_risk/ask_why"), ("", "bandit/at_risk/show_what_is_new")]
    assert [(report["outcome"], report["model"], report["partition"]) for report in document["models"]] == [
        *((*model, 0) for model in [*each, *arms]),
        *((*model, 1) for model in [*each, *arms]),
        *((*model, None) for model in each[1:]),  # all partitions of this worker together
    ]
    assert [report["serves"] for report in document["models"] if report["partition"] is None] == [2, 0, 0, 2]
    anomaly = [report for report in document["models"] if report["model"] == "anomaly"]
    assert sum(report["n_seen"] for report in anomaly) == 6
    assert document["models"][1]["quality"]["window"]["n"] == 0
    assert document["lag"] == [
        {"topic": "ubi.events", "partition": 0, "events": 0},
        {"topic": "ubi.events", "partition": 1, "events": 12},
    ]


async def test_models_of_a_worker_without_partitions(serve: Serve) -> None:
    class Idle(MemoryWorker):
        def model_quality(self) -> tuple[()]:
            return ()

    worker = Idle()
    worker.lags = ()
    response = await (await serve(worker)).get("/api/v1/models")
    assert await response.json() == {"pack": "ecommerce", "models": [], "lag": []}
