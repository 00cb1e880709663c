"""The page that people look at: complete in itself, and safe whatever users are called."""

from __future__ import annotations

import re

import pytest

from support.web_worker import Client
from ubi_stream.insights.model import InsightKind, Severity

FILES = {
    "/": "text/html",
    **{
        f"/static/{name}.js": "text/javascript"
        for name in ("app", "charts", "dom", "figures", "insights", "models", "session", "user", "worth")
    },
    "/static/app.css": "text/css",
    "/static/icon.svg": "image/svg+xml",
}
SCRIPTS = [path for path in FILES if path.endswith(".js")]


async def text_of(client: Client, path: str) -> str:
    return await (await client.get(path)).text()


@pytest.mark.parametrize(("path", "content_type"), FILES.items())
async def test_files_of_the_page(client: Client, path: str, content_type: str) -> None:
    response = await client.get(path)
    assert (response.status, response.content_type, response.charset) == (200, content_type, "utf-8")
    again = await client.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status, await again.read()) == (304, b"")
    changed = await client.get(path, headers={"If-None-Match": '"another"'})
    assert changed.status == 200


async def test_nothing_on_the_page_comes_from_elsewhere(client: Client) -> None:
    own_namespace = "http://www.w3.org/2000/svg"
    for path in FILES:
        text = (await (await client.get(path)).text()).replace(own_namespace, "")
        assert not re.findall(r"(?:https?:)?//[\w.]+\.\w+", text), path


async def test_every_file_that_the_page_names_is_there(client: Client) -> None:
    text = await (await client.get("/")).text()
    named = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)
    for script in SCRIPTS:
        named += [f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', await text_of(client, script))]
    assert set(named) == FILES.keys() - {"/"}


async def test_the_page_obeys_its_own_policy(client: Client) -> None:
    text = await (await client.get("/")).text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text)


async def test_the_script_sets_text_never_markup(client: Client) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setAttribute\(.on|srcdoc"
    for script in SCRIPTS:
        assert not re.search(ways, await text_of(client, script)), script


async def test_the_filters_are_the_kinds_and_severities_that_there_are(client: Client) -> None:
    text = await (await client.get("/")).text()
    options = set(re.findall(r'<option value="(\w+)"', text))
    assert options == set(InsightKind) | set(Severity)


@pytest.mark.parametrize("path", SCRIPTS)
async def test_a_script_finds_each_element_that_it_fills(client: Client, path: str) -> None:
    script = await text_of(client, path)
    ids = set(re.findall(r'\bid="([\w-]+)"', await text_of(client, "/")))
    parts = {f"{name}-note" for name in re.findall(r'\bpart\("(\w+)"', script)}
    assert parts | set(re.findall(r'byId\("([\w-]+)"\)', script)) <= ids


async def test_the_filters_are_inputs_of_the_page_and_parameters_of_the_api(client: Client) -> None:
    page = await (await client.get("/")).text()
    script = await (await client.get("/static/app.js")).text()
    [listed] = re.findall(r"const FILTERS = \[(.*)\];", script)
    filters = re.findall(r'"(\w+)"', listed)
    inputs = re.findall(r'<(?:select|input) id="(\w+)"', page)
    assert [name for name in inputs if name != "credential"] == filters
    refused = await client.get("/api/v1/insights?nothing=1")
    assert set(filters) <= set(re.findall(r"\w+", (await refused.json())["detail"]))
