from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_wheel_carries_the_packages_and_the_shipped_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, f"--wheel-dir={tmp_path}", str(ROOT)], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("ubi_stream-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licensed = any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert licensed
    assert {"ubi_stream/py.typed", "agents/__init__.py", "tables/__init__.py"} <= names
    shipped = {path.relative_to(ROOT / "config") for path in (ROOT / "config").rglob("*") if path.is_file()}
    assert shipped
    assert {f"ubi_stream/_config/{path.as_posix()}" for path in shipped} <= names
    assert {name.split("/")[0] for name in names} == {"ubi_stream", "agents", "tables"}
