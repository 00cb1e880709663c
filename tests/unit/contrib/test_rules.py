"""Which requests become events."""

from __future__ import annotations

import pytest

from ubi_stream.contrib.rules import PAGE_VIEW, RequestRules, Rule


@pytest.mark.parametrize(
    "path",
    [
        "/health", "/healthz", "/health/live", "/livez", "/metrics", "/docs", "/docs/oauth2-redirect", "/openapi.json",
        "/login", "/auth/callback", "/static/x.html", "/app.css", "/deep/app.JS", "/logo.png", "/favicon.ico",
    ],
)  # fmt: skip
def test_excluded_by_default(path: str) -> None:
    assert RequestRules().event_of("GET", path, "", {}) is None


@pytest.mark.parametrize("path", ["/", "/products/1", "/healthy-food", "/authors", "/documents"])
def test_others_are_page_views(path: str) -> None:
    assert RequestRules().event_of("GET", path, "", {}) == (PAGE_VIEW, {})


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "odd"])
def test_methods_that_nobody_uses_a_page_with(method: str) -> None:
    assert RequestRules().event_of(method, "/", "", {}) is None


def test_the_first_rule_that_fits_counts_and_comes_before_what_is_excluded() -> None:
    rules = RequestRules(
        [
            Rule("/p/{id}", "GET", "view", {"product_id": "path.id", "from": "header.Referer", "q": "query.q"}),
            Rule("/p/*", None, None),
            Rule("/docs/*", "GET", "read_docs"),
        ]
    )
    assert rules.event_of("GET", "/p/a%2Fb", "q=x+y&q=z", {"referer": "r"}) == (
        "view",
        {"product_id": "a/b", "from": "r", "q": "x y"},
    )
    assert rules.event_of("POST", "/p/1", "", {}) is None
    assert rules.event_of("GET", "/p/1/more", "", {}) is None
    assert rules.event_of("GET", "/docs/intro", "", {}) == ("read_docs", {})


def test_without_a_default_rules_alone_make_events() -> None:
    assert RequestRules([Rule("/buy", "POST", "purchase")], default=None).event_of("GET", "/", "", {}) is None


@pytest.mark.parametrize("place", ["id", "path.", "path.other", "body.x"])
def test_a_field_must_be_somewhere(place: str) -> None:
    with pytest.raises(ValueError, match="fields"):
        Rule("/p/{id}", fields={"x": place})


def test_characters_of_a_pattern_are_taken_as_they_are() -> None:
    assert Rule("/a.b").read("GET", "/axb", "", {}) is None
    assert Rule("/a.b").read("GET", "/a.b/", "", {}) == {}
