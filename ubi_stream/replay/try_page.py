"""The account of `ubi try` as one page: a file that needs nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from ubi_stream.replay.html_page import html_page, html_table
from ubi_stream.replay.trying import FileTrial

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
pre, td { overflow-wrap: anywhere; white-space: pre-wrap; }
pre { padding: .75rem; border: 1px solid; border-radius: .25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid; }
"""


def try_page(tried: FileTrial) -> str:
    """HTML of the account: what became of the rows, what is worth seeing, how the file was read."""
    title = f"ubi try {tried.file}"
    read_as = f"as {tried.known_as}" if tried.known_as else "by guesses from its columns"
    insights = (
        (
            one["severity"],
            one["kind"],
            one["user_id"],
            one["at"],
            one["explanation"]["summary"],
        )
        for one in tried.insights
    )
    rows = ((str(one.number), one.row, one.becomes) for one in tried.beside)
    parts = [
        f"<h1>{escape(title)}</h1><p>Read {escape(read_as)}, with pack {escape(tried.pack)}.</p>",
        "<h2>What became of the rows</h2>" + _list(tried.sentences),
        "<h2>Most worth seeing</h2>"
        + (
            html_table(("severity", "kind", "user", "at", "what"), insights)
            if tried.insights
            else "<p>No insights.</p>"
        ),
        "<h2>How the file was read</h2>" + _list(tried.guesses) if tried.guesses else "",
        "<h2>Rows and their events</h2>" + html_table(("row", "in the file", "event"), rows),
        f"<h2>The mapping</h2><pre>{escape(tried.mapping)}</pre>",
    ]
    return html_page(title, _STYLE, parts)


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in sentences) + "</ul>"
