"""What a stranger would stumble over stays out: two classes of one name, circles of imports, endless modules."""

from __future__ import annotations

from tools.house import circles, module_graph, modules, room_graph, shared_names

MAX_LINES = 450


def test_each_class_has_a_name_of_its_own() -> None:
    assert shared_names(modules()) == {}


def test_rooms_import_each_other_in_no_circle() -> None:
    assert circles(room_graph(module_graph())) == []


def test_modules_import_each_other_in_no_circle_but_one() -> None:
    """The registry makes ensembles, and an ensemble the detectors that a pack names."""
    assert [set(circle) for circle in circles(module_graph()) if "ubi_stream.models.registry" not in circle] == []


def test_no_module_is_longer_than_some_screens() -> None:
    assert {module.name: module.lines for module in modules() if module.lines > MAX_LINES} == {}
