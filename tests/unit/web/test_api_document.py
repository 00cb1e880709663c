"""docs/api.md says what the API does: routes, members of the answers, errors."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.web_worker import T0, Client, MemoryWorker, event
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.identity import identity_event
from ubi_stream.events.limits import MAX_WEIGHT
from ubi_stream.insights.model import InsightKind, Severity
from ubi_stream.insights.windows import PANE_MS
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.models.feedback.labels import LabelStatus
from ubi_stream.sinks.insight_counts import SeverityCount
from ubi_stream.sinks.queries import MAX_PAGE, StoredInsight
from ubi_stream.sinks.segment_queries import MAX_BUCKETS, ClassFunnel, ClassShare, SegmentCount, SegmentShare
from ubi_stream.sinks.visit_queries import StoredVisit
from ubi_stream.web.app import create_web
from ubi_stream.web.problems import ProblemType
from ubi_stream.web.views.features import FeatureWords
from ubi_stream.web.views.insight_counts import COUNT_BUCKETS, Counts
from ubi_stream.web.views.insights import DEFAULT_PAGE
from ubi_stream.web.views.labels import LABELS_AT_ONCE, LABELS_PER_S, MAX_LABEL_BYTES
from ubi_stream.web.views.segments import BUCKETS, Distribution, Funnel, History, Shares

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def examples(title: str) -> list[Any]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", section(title), re.DOTALL)]


def test_the_document_lists_the_routes_that_there_are() -> None:
    worker = MemoryWorker()
    router = create_web(worker, None, Metrics(worker.pack), SystemClock()).router
    served = {(route.method, route.resource.canonical) for route in router.routes() if route.resource is not None}
    listed = set(re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", DOCUMENT, re.MULTILINE))
    assert {(method, path) for method, path in served if method != "HEAD"} == listed


def test_each_route_of_the_api_has_a_section() -> None:
    routes = re.findall(r"^\| ([A-Z]+) \| `((?:/api|/health|/metrics)[^`]*)` \|", DOCUMENT, re.MULTILINE)
    for method, path in routes:
        assert f"`{method} {path}`" in DOCUMENT


def members(document: Any, path: str = "$") -> set[str]:
    """Paths of all members; of a list, those of its first item."""
    if isinstance(document, dict):
        return {path}.union(*(members(value, f"{path}.{name}") for name, value in document.items()))
    if isinstance(document, list) and document:
        return members(document[0], f"{path}[]")
    return {path}


async def test_the_forecast_has_the_members_of_the_example(client: Client, worker: MemoryWorker) -> None:
    day_ms = 86_400_000
    worker.take(
        event("u9", "purchase", T0 - day * day_ms, price=20 + day % 3, category="tea") for day in reversed(range(20))
    )
    delivered = await (await client.get("/api/v1/users/u9/forecast")).json()
    assert members(delivered) == members(examples("Forecast")[0])


async def test_the_profile_has_the_members_of_the_example(client: Client, worker: MemoryWorker) -> None:
    merged = identity_event("$identify", "m1", 1_569_888_000_000, "u1", "anon")
    worker.take(
        [event("u1", "view", 1_569_888_000_000, session="s2", category="shoes"), ProducerRecord(b"anon", merged)]
    )
    delivered = await (await client.get("/api/v1/users/u1")).json()
    shown = examples("Profile")[0]
    free = ("$.features.", "$.categories.", "$.windows.", "$.latency_ms.")  # members named by the pack, or null
    for document in (delivered, shown):
        for name, window in document["windows"].items():
            assert window.keys() == {"events", "by_type", "amount"}, name
    assert delivered["windows"].keys() == shown["windows"].keys()
    assert {path for path in members(delivered) if not path.startswith(free)} == {
        path for path in members(shown) if not path.startswith(free)
    }
    assert shown["features"].keys() < delivered["features"].keys()


async def test_models_and_health_have_the_members_of_the_examples(client: Client, worker: MemoryWorker) -> None:
    delivered = await (await client.get("/api/v1/models")).json()
    shown = examples("Models")[0]
    assert members(delivered["models"][1]) == members(shown["models"][1])
    assert members(delivered["lag"]) == members(shown["lag"])
    assert delivered.keys() == shown.keys()
    assert await (await client.get("/health/live")).json() == examples("Health")[0]
    checks = (await (await client.get("/health/ready")).json(content_type=None))["checks"]
    assert members(checks) == members(examples("Health")[1]["checks"])


async def test_a_label_is_answered_with_the_members_of_the_example(client: Client) -> None:
    sent, shown = examples("Labels")
    assert members(await (await client.post("/api/v1/labels", json=sent | {"user_id": "u1"})).json()) == members(shown)


def test_every_status_of_a_label_and_every_limit_has_a_line() -> None:
    statuses = set(re.findall(r"^\| `(\w+)` \|", section("Labels").split("| `status` |")[1], re.MULTILINE))
    assert statuses == set(LabelStatus) | {"accepted"}
    assert f"takes {LABELS_PER_S:g} labels a second, {LABELS_AT_ONCE} at once" in section("Labels")
    assert f"above 0 and up to {MAX_WEIGHT}" in section("Labels")
    assert f"more than {MAX_LABEL_BYTES // 1024} KiB" in section("Errors")


def test_rows_of_the_database_have_the_members_of_the_examples() -> None:
    assert tuple(examples("Insights")[0]["insights"][0]) == StoredInsight.__struct_fields__
    shares, history, distribution, funnel = examples("Segments")
    (counts,) = examples("Numbers of insights")
    for document, page, row in (
        (counts, Counts, SeverityCount),
        (shares, Shares, SegmentShare),
        (history, History, SegmentCount),
        (distribution, Distribution, ClassShare),
        (funnel, Funnel, ClassFunnel),
    ):
        assert tuple(document) == page.__struct_fields__
        assert tuple(document[page.__struct_fields__[-1]][0]) == row.__struct_fields__
    assert tuple(examples("Visits")[0]["visits"][0]) == StoredVisit.__struct_fields__


async def test_features_are_called_what_the_example_says(client: Client) -> None:
    answer = await (await client.get("/api/v1/features")).json()
    shown = examples("Features")[0]
    assert tuple(shown["features"][0]) == FeatureWords.__struct_fields__
    assert shown["features"][0] in answer["features"]
    assert answer["pack"] == shown["pack"]


async def test_the_error_of_the_example_is_told_so(client: Client) -> None:
    shown = examples("Errors")[0]
    headers = {"X-Request-Id": shown["request_id"]}
    response = await client.get("/api/v1/insights?limit=501", headers=headers)
    assert await response.json(content_type="application/problem+json") == shown


def test_every_type_of_problem_has_a_line() -> None:
    lines = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", section("Errors"), re.MULTILINE)
    assert {name for name, _ in lines} == set(ProblemType)
    assert len(lines) == len(ProblemType)


@pytest.mark.parametrize("words", [InsightKind, Severity])
def test_every_value_of_a_filter_is_named(words: type[InsightKind] | type[Severity]) -> None:
    row = next(line for line in section("Insights").splitlines() if f"`{next(iter(words))}`" in line)
    assert set(re.findall(r"`(\w+)`", row)) >= set(words)


def test_limits_are_the_ones_in_force() -> None:
    assert f"1 to {MAX_PAGE}; {DEFAULT_PAGE} unless given" in section("Insights")
    assert timedelta(milliseconds=PANE_MS) == BUCKETS["5m"]
    assert f"{MAX_BUCKETS:,} buckets at most" in section("Segments")
    assert set(re.findall(r"`(\d+[mhd])`", section("Numbers of insights"))) == set(COUNT_BUCKETS)
