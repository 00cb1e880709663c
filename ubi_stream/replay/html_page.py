"""Pages that need nothing from anywhere: one frame, and tables."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def html_page(title: str, style: str, parts: Iterable[str]) -> str:
    """A page with a title, its style sheet, and the parts of its body."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body><main>\n" + "\n".join(parts) + "\n</main></body></html>\n"
    )


def html_table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table with the names of its columns as heads; all text is escaped."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
