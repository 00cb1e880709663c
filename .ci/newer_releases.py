"""Makes a folder with a newer release of every package in lock files: what an index offers a year from now.

The releases are empty. To install one is an error: `pip --require-hashes` refuses it, or what imports it fails.

    python .ci/newer_releases.py FOLDER LOCK [LOCK ...]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from zipfile import ZipFile

_VERSION = "9999.0"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def main(folder: Path, locks: list[Path]) -> None:
    """Write an empty wheel for each package of the locks."""
    names = {name for lock in locks for name in _PINNED.findall(lock.read_text(encoding="utf-8"))}
    folder.mkdir(parents=True)
    for name in sorted(names):
        stem = f"{re.sub(r'[-_.]+', '_', name)}-{_VERSION}"
        info = f"{stem}.dist-info"
        with ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {_VERSION}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(lock) for lock in sys.argv[2:]])
