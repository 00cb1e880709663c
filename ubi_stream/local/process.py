"""One server program as a child: its log, its signals, and that it never outlives us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from ubi_stream.errors import LocalServiceError

_POLL_S = 0.02
_LOG_TAIL_LINES = 15
_LOG_TAIL_BYTES = 16_384
_REAP_S = 5.0  # after SIGKILL: the kernel needs milliseconds, a loaded machine somewhat more

# The owner holds the other end of this script's standard input. First comes the server's process id, later a line that
# says that the server was stopped in good order. End of file without it means that the owner is gone, however it died:
# the server is asked to stop, and killed if that takes longer than five seconds. Linux's PDEATHSIG would need no second
# process, but it fires when the *thread* that started the server ends, which may be at once, and macOS has none.
_GUARD = """
read -r pid || exit 0
read -r _ && exit 0
kill -"$1" "$pid" 2>/dev/null
for _ in 1 2 3 4 5; do
    sleep 1
    kill -0 "$pid" 2>/dev/null || exit 0
done
kill -KILL "$pid" 2>/dev/null
"""


class ChildProcess:
    """A running server, in a session of its own so that Ctrl-C in the terminal reaches only us.

    Parameters
    ----------
    name
        What error messages call it: "Kafka".
    argv
        Program and arguments.
    log_file
        Receives standard output and error; appended to.
    cwd
        Its working directory.
    env
        Its whole environment.
    stop_signal
        Asks for an orderly end.
    keep_open
        File descriptors that the server and its children inherit.

    Raises
    ------
    LocalServiceError
        The program can't be executed.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_file: Path,
        cwd: Path,
        env: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
        keep_open: Sequence[int] = (),
    ) -> None:
        self._name = name
        self._log_file = log_file
        self._stop_signal = stop_signal
        self._guard = _ChildGuard(stop_signal)
        try:
            with log_file.open("ab") as log:
                self._process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=keep_open,
                )
        except OSError as error:
            self._guard.dismiss()
            raise LocalServiceError(f"{name} can't be started: {error}") from error
        self._guard.watch(self._process.pid)

    @property
    def pids(self) -> tuple[int, int]:
        """Process ids of the server and of the guard that ends it if we die."""
        return self._process.pid, self._guard.pid

    @property
    def running(self) -> bool:
        """Whether the server's main process is alive; a paused one is."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Status with which the main process ended, a signal's number negative; None while it is alive."""
        return self._process.poll()

    def wait_until(self, ready: Callable[[], bool], within_s: float) -> None:
        """Return when `ready` does, and leave nothing behind when it doesn't.

        Raises
        ------
        LocalServiceError
            The server ended, or wasn't ready in time; the message ends with the last lines of its log.
        """
        deadline = time.monotonic() + within_s
        try:
            while not ready():
                if not self.running:
                    raise self._error(f"{self._name} ended with status {self._process.returncode} while starting")
                if time.monotonic() >= deadline:
                    raise self._error(f"{self._name} was not ready within {within_s:g} s")
                time.sleep(_POLL_S)
        except BaseException:
            self.kill()
            raise

    def stop(self, within_s: float) -> None:
        """End the server in good order; kill it when that takes longer than `within_s` seconds."""
        if self.running:
            self.resume()  # a paused process would keep the signal for later
            self._process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """End the server and its own children at once (SIGKILL), as a crash of the machine would.

        Raises
        ------
        LocalServiceError
            The kernel didn't end them within 5 s.
        """
        tree = self._tree()
        _signal_all(tree, signal.SIGKILL)
        try:
            self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired as error:
            raise LocalServiceError(f"{self._name} (process {self._process.pid}) can't be killed") from error
        # Children that end later than their parent would still hold the data folder or the port.
        deadline = time.monotonic() + _REAP_S
        while any(map(_is_alive, tree)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        self._guard.dismiss()

    def pause(self) -> None:
        """Freeze the server and its children (SIGSTOP): it keeps its connections and answers nothing."""
        _signal_all(self._tree(), signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        _signal_all(self._tree(), signal.SIGCONT)

    def _tree(self) -> list[psutil.Process]:
        if not self.running:
            return []
        try:
            main = psutil.Process(self._process.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _error(self, what: str) -> LocalServiceError:
        return LocalServiceError(f"{what}. Its log {self._log_file} ends with:\n{log_tail(self._log_file)}")


def run_to_end(name: str, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], within_s: float) -> None:
    """Run a program that prepares a server's data folder.

    Raises
    ------
    LocalServiceError
        It can't be executed, fails, or takes longer than `within_s` seconds; the message ends with its output.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=within_s,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalServiceError(f"{name}: {error}") from error
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace").strip()
        raise LocalServiceError(f"{name} failed with status {done.returncode}:\n{output}")


def log_tail(log_file: Path, lines: int = _LOG_TAIL_LINES) -> str:
    """Last lines of a log file, for an error message; at most 16 KiB."""
    with log_file.open("rb") as log:
        log.seek(max(0, log_file.stat().st_size - _LOG_TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


class _ChildGuard:
    """A shell of about 1 MB that ends the server when we can't any more."""

    def __init__(self, stop_signal: signal.Signals) -> None:
        self._watching = False
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(stop_signal.value)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pid: int) -> None:
        self._watching = True
        self._write(f"{pid}\n".encode())

    def dismiss(self) -> None:
        """End it without harm to the server; nothing happens the second time."""
        if self._process.returncode is None:
            if self._watching:
                self._write(b"stopped\n")
            self._process.communicate()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended the guard: then there is nothing to tell it
            self._process.stdin.write(line)


def _signal_all(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue  # ended by itself, or with its parent


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # a zombie has ended; its parent hasn't asked yet how
    except psutil.NoSuchProcess:
        return False


def service_environment() -> dict[str, str]:
    """Environment for a server: ours, without our secrets and what changes how it runs (`PGPORT`, `CLASSPATH`)."""
    unwanted = ("CLASSPATH", "JAVA", "JDK_JAVA", "_JAVA", "KAFKA_", "LANG", "LC_", "PG", "UBI_")
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
