"""docs/security.md says what is so: roles, kinds of keys, limits, and tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

from ubi_stream.settings import Settings
from ubi_stream.web.routes import Body
from ubi_stream.web.security.audit import KEPT
from ubi_stream.web.security.keys import KeyKind
from ubi_stream.web.security.limits import MAX_CALLERS
from ubi_stream.web.security.principal import Role
from ubi_stream.web.server import FIRST_REQUEST_S, MAX_CONNECTIONS

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOCUMENT))
    assert len(named) > 20
    written = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    missing = {name for name in named if not re.search(rf"def {name}\(", written)}
    assert missing == set()


def test_every_role_and_kind_of_key_has_a_line() -> None:
    lines = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert lines == set(Role) | set(KeyKind)


def test_settings_that_are_named_are_there() -> None:
    known = {f"UBI_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"UBI_[A-Z_]+", DOCUMENT)) <= known


def test_limits_are_the_ones_in_force() -> None:
    assert f"{MAX_CONNECTIONS:,}; further ones" in DOCUMENT
    assert f"{FIRST_REQUEST_S:g} s" in DOCUMENT
    assert f"{KEPT:,} wait" in DOCUMENT
    assert re.search(rf"{MAX_CALLERS:,}\s+addresses", DOCUMENT)
    assert f"{Body().max_bytes // 1024} KiB unless" in DOCUMENT
