"""Counts what a stranger notices first: sizes of modules, classes that share a name, arrows and circles of imports.

python -m tools.house
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import grimp

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = "ubi_stream"

Graph = Mapping[str, set[str]]
"""What each module, or room, imports."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the product: its dotted name, its number of lines, and the classes at its top level."""

    name: str
    lines: int
    classes: tuple[str, ...]


def modules() -> list[Module]:
    """Return the product's modules, the empty ones left out."""
    found = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        classes = (node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
        found.append(Module(name, text.count("\n"), tuple(classes)))
    return [module for module in found if module.lines]


def shared_names(found: Iterable[Module]) -> dict[str, list[str]]:
    """Return the names that several classes have, with the modules that have them; an underscore makes no other name.

    >>> shared_names([Module("a", 9, ("Row", "Pack")), Module("b", 9, ("_Row",))])
    {'Row': ['a', 'b']}
    """
    places_of = defaultdict(list)
    for module in found:
        for name in module.classes:
            places_of[name.lstrip("_")].append(module.name)
    return {name: places for name, places in sorted(places_of.items()) if len(places) > 1}


def module_graph() -> Graph:
    """Return which module imports which, imports for types alone included."""
    imports = grimp.build_graph(PACKAGE, cache_dir=None)
    return {module: set(imports.find_modules_directly_imported_by(module)) for module in imports.modules}


def room_graph(imports: Graph) -> Graph:
    """Return which room imports which: a room is a folder right below the package, or a module there.

    >>> room_graph({"ubi_stream.a.b": {"ubi_stream.a.c", "ubi_stream.d"}, "ubi_stream.d": set()})
    {'ubi_stream.a': {'ubi_stream.d'}, 'ubi_stream.d': set()}
    """
    graph: dict[str, set[str]] = {_room(module): set() for module in sorted(imports) if module != PACKAGE}
    for module in imports.keys() - {PACKAGE}:
        graph[_room(module)] |= {_room(target) for target in imports[module] - {PACKAGE}} - {_room(module)}
    return graph


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of which each member reaches each other one by imports.

    >>> circles({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    [['b', 'c']]
    """
    reached = {package: _reached(graph, package) for package in graph}
    groups = {
        tuple(sorted(other for other in reached[package] if package in reached[other]))
        for package in graph
        if package in reached[package]
    }
    return [list(group) for group in sorted(groups)]


def _reached(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        new = graph[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def main() -> None:
    """Print the figures."""
    found, imports = modules(), module_graph()
    rooms = room_graph(imports)
    largest = max(found, key=lambda module: module.lines)
    shared = shared_names(found)
    print(f"modules              {len(found)}")
    print(f"lines                {sum(module.lines for module in found)}")
    print(f"median module        {median(module.lines for module in found):g} lines")
    print(f"largest module       {largest.lines} lines, {largest.name}")
    print(f"over 300 lines       {sum(module.lines > 300 for module in found)}")
    print(f"classes              {sum(len(module.classes) for module in found)}")
    print(f"names of several     {len(shared)}")
    for name, places in shared.items():
        print(f"  {name}: {', '.join(places)}")
    print(f"rooms                {len(rooms)}")
    print(f"arrows between them  {sum(len(targets) for targets in rooms.values())}")
    for what, graph in (("rooms", rooms), ("modules", imports)):
        print(f"circles of {what:<9} {len(circles(graph))}")
        for circle in circles(graph):
            print(f"  {' '.join(circle)}")


if __name__ == "__main__":
    main()
