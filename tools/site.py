"""The documentation's site is made of the repository's own files: a hook of mkdocs, named in `mkdocs.yml`.

Links in `docs/` are written for a reader of the repository. README is the site's first page, its last section the
navigation, and each file outside `docs/` that a page links to becomes a part of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[1]
_TITLED: Final = re.compile(r"\[([^]]+)\]\(([^)\s#:]+\.md)[)#]")
_LINK: Final = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
_RENAMED: Final = {"README.md": "index.md"}


def site_path(repository_path: str) -> str:
    """Return where a file of the repository is on the site.

    >>> site_path("docs/topics.md"), site_path("README.md"), site_path("benchmarks/drift.md")
    ('topics.md', 'index.md', 'benchmarks/drift.md')
    """
    return _RENAMED.get(repository_path, repository_path.removeprefix("docs/"))


def linked(markdown: str, repository_path: str) -> list[str]:
    """Return the files that a page links to, as paths in the repository."""
    folder = posixpath.dirname(repository_path)
    return [posixpath.normpath(posixpath.join(folder, link)) for link in _LINK.findall(markdown)]


def navigation(readme: str) -> list[dict[str, Any]]:
    r"""Return the groups of pages in README's last section: paragraphs such as "Use: [commands](docs/commands.md), …".

    >>> navigation("# A\n\n## Where to go\n\nUse: [the API](docs/api.md),\n[packs](docs/packs.md#texts).")
    [{'Use': [{'The API': 'api.md'}, {'Packs': 'packs.md'}]}]
    """
    groups: list[dict[str, Any]] = []
    for paragraph in readme.rpartition("\n## ")[2].split("\n\n"):
        group, colon, text = paragraph.partition(": ")
        pages = {site_path(page): title for title, page in _TITLED.findall(text)}
        if colon and pages:
            groups.append({group: [{title[:1].upper() + title[1:]: page} for page, title in pages.items()]})
    return groups


def on_config(config: Any) -> Any:
    """Take the navigation from README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    config.nav = [{"ubi-stream": "index.md"}, *navigation(readme)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add README and what pages link to outside `docs/`, and what those pages link to in turn."""
    todo = ["README.md", *(f"docs/{page.src_uri}" for page in files.documentation_pages())]
    seen = set(todo)
    while todo:
        path = todo.pop()
        if not path.startswith("docs/"):
            files.append(File.generated(config, site_path(path), abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            found = set(linked((ROOT / path).read_text(encoding="utf-8"), path)) - seen
            todo += sorted(link for link in found if (ROOT / link).is_file())
            seen |= found
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links for readers of the repository into those of the site."""
    path = str(Path(page.file.abs_src_path).relative_to(ROOT))
    here, folder = posixpath.dirname(site_path(path)), posixpath.dirname(path)

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[0]))
        return posixpath.relpath(site_path(target), here or ".") if (ROOT / target).is_file() else link[0]

    return _LINK.sub(on_site, markdown)
