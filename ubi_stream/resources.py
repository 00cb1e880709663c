"""Where the shipped data files are: packs, mappings, SQL, dashboards."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def config_dir() -> Path:
    """Folder of the shipped configuration: inside the installed wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "_config"
    return installed if installed.is_dir() else _PACKAGE.parent / "config"
