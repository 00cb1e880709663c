"""docs/collector.md lists the routes that there are."""

from __future__ import annotations

import re
from pathlib import Path

from support.collecting import MemoryDelivery, MemoryLetters, collector
from ubi_stream.clock import ManualClock
from ubi_stream.web.reader import Reader
from ubi_stream.web.views.collector import CollectorViews
from ubi_stream.web.views.dead_letters import DeadLetterViews

DOCUMENT = (Path(__file__).parents[3] / "docs" / "collector.md").read_text(encoding="utf-8")


def test_the_document_lists_the_routes_that_there_are() -> None:
    service = collector(MemoryDelivery())
    views = [
        *CollectorViews(service, ManualClock()).routes(),
        *DeadLetterViews(Reader(None), service, MemoryLetters()).routes(),
    ]
    served = {(route.method, route.path) for route in views if route.method != "OPTIONS"}
    assert set(re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \|", DOCUMENT, re.MULTILINE)) == served


def test_each_further_path_is_named() -> None:
    text = re.sub(r"`([^`]*)\{([^}]*)\}`", lambda m: " ".join(f"`{m[1]}{one}`" for one in m[2].split(",")), DOCUMENT)
    for route in CollectorViews(collector(MemoryDelivery()), ManualClock()).routes():
        for path in route.also:
            assert f"`{path.rstrip('/')}`" in text or path.rstrip("/") in ("/ubi_queries/_doc",), path
