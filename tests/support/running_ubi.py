"""`ubi` as a process of its own, as a person runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

COMMAND = (sys.executable, "-m", "ubi_stream.cli.main")
_INHERITED = "UBI_CACHE_DIR"


class RunningUbi:
    """One started `ubi`, away from the settings of whoever runs the tests; its output goes to files.

    Parameters
    ----------
    folder
        Its working directory, also of the files.
    arguments
        Command, arguments and options.
    environment
        Its settings.
    """

    def __init__(self, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        number = len(list(folder.glob("*.out")))
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "UBI_" or name == _INHERITED}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=folder,
                # Nothing that `ubi up` runs on this machine is found there.
                env=inherited | {"XDG_DATA_HOME": str(folder)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        """Standard output so far."""
        return self._out.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._err.read_text(encoding="utf-8")

    def descendants(self) -> list[psutil.Process]:
        """Every process that it started, and that these started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone."""
        self.process.send_signal(number)

    def wait(self, within_s: float = 240) -> int:
        """Exit status, once it has ended.

        Raises
        ------
        subprocess.TimeoutExpired
            It is still running.
        """
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End it (SIGKILL), if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
