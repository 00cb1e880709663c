"""The description of the API is made from the route table, and is shown without a network."""

from __future__ import annotations

from typing import Any

import pytest

from support.web_access import as_role
from support.web_worker import Client
from ubi_stream.web.app import ROUTES
from ubi_stream.web.problems import ProblemType, status_of
from ubi_stream.web.security.keys import SCOPES


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    response = await client.get("/api/openapi.json")
    assert response.status == 200
    found: dict[str, Any] = await response.json()
    return found


async def test_it_has_every_route_once(client: Client, document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(route.method, route.path) for route in client.app[ROUTES] if route.method != "OPTIONS"}
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


async def test_each_route_says_what_it_is_who_may_call_it_and_what_may_go_wrong(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
            assert "429" in operation["responses"], (method, path)
            needs_key = bool(operation["security"])
            assert ("401" in operation["responses"]) == needs_key or path == "/api/v1/session", (method, path)


async def test_parameters_have_their_bounds_and_defaults(document: dict[str, Any]) -> None:
    parameters = {one["name"]: one for one in document["paths"]["/api/v1/insights"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert parameters["since"]["schema"] == {"type": "string", "format": "date-time"}
    assert None not in parameters["kind"]["schema"]["enum"]
    assert all(one["description"] for one in parameters.values())


async def test_every_scope_of_a_route_can_be_granted(client: Client) -> None:
    scopes = {route.scope for route in client.app[ROUTES] if route.scope}
    assert scopes <= SCOPES


async def test_the_page_is_ours_and_fetches_nothing_from_elsewhere(client: Client) -> None:
    page = await client.get("/api/docs")
    assert page.headers["Content-Security-Policy"].count("data:") == 1
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    text = await page.text()
    assert "http" not in text
    for name in ("init.js", "swagger.js", "swagger.css"):
        assert f"/api/docs/{name}" in text
        assert (await client.get(f"/api/docs/{name}")).status == 200


async def test_the_description_is_for_readers(guarded: Client) -> None:
    for path in ("/api/docs", "/api/openapi.json"):
        assert (await guarded.get(path)).status == 401
        assert (await guarded.get(path, headers=as_role("viewer"))).status == 200


async def test_language_models_find_the_routes(guarded: Client) -> None:
    text = await (await guarded.get("/llms.txt")).text()
    assert text.startswith("# ubi-stream\n")
    assert "- GET /api/v1/users/{id}: Profile of one user" in text


def test_every_problem_has_a_status() -> None:
    assert {status_of(problem) for problem in ProblemType} == {400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 503}
