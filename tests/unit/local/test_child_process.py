from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support.waiting import eventually
from ubi_stream.errors import LocalServiceError
from ubi_stream.local.process import ChildProcess, log_tail, run_to_end, service_environment

Start = Callable[..., ChildProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a shell script as a server and waits until it has written "ready" into its log."""
    children = []

    def start(script: str, stop_signal: signal.Signals = signal.SIGTERM) -> ChildProcess:
        log_file = tmp_path / "server.log"
        child = ChildProcess(
            "Server",
            ["/bin/sh", "-c", script],
            log_file=log_file,
            cwd=tmp_path,
            env=service_environment(),
            stop_signal=stop_signal,
        )
        children.append(child)
        child.wait_until(lambda: b"ready" in log_file.read_bytes(), within_s=10)
        return child

    yield start
    for child in children:
        child.kill()


def status(pid: int) -> str | None:
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return None


def test_stop_asks_and_the_server_ends_by_itself(start: Start, tmp_path: Path) -> None:
    child = start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    assert child.running
    child.stop(within_s=5)
    assert not child.running
    assert (tmp_path / "server.log").read_text() == "ready\nbye\n"
    assert [status(pid) for pid in child.pids] == [None, None]


def test_stop_uses_the_signal_the_server_wants(start: Start, tmp_path: Path) -> None:
    child = start("trap 'echo int; exit 0' INT; echo ready; while :; do sleep 0.01; done", stop_signal=signal.SIGINT)
    child.stop(within_s=5)
    assert (tmp_path / "server.log").read_text() == "ready\nint\n"


def test_stop_kills_what_does_not_listen(start: Start) -> None:
    child = start("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    began = time.monotonic()
    child.stop(within_s=0.2)
    assert not child.running
    assert time.monotonic() - began < 2


def test_stop_reaches_a_paused_server(start: Start, tmp_path: Path) -> None:
    child = start("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
    child.pause()
    child.stop(within_s=5)
    assert (tmp_path / "server.log").read_text() == "ready\nbye\n"


def test_kill_ends_the_servers_own_children_too(start: Start) -> None:
    child = start("sleep 60 & echo ready; wait")
    (grandchild,) = psutil.Process(child.pids[0]).children()
    child.kill()
    assert status(grandchild.pid) in (None, psutil.STATUS_ZOMBIE)
    child.kill()  # nothing happens the second time


async def test_a_paused_server_stands_still_until_it_is_resumed(start: Start) -> None:
    # A shell that starts a command may wait for it where no signal reaches it (vfork): this server starts none.
    child = start("echo ready; exec sleep 60")
    pid = child.pids[0]
    child.pause()
    await eventually(lambda: status(pid) == psutil.STATUS_STOPPED, message="server stopped")
    assert child.running
    child.resume()
    await eventually(lambda: status(pid) != psutil.STATUS_STOPPED, message="server goes on")


def test_the_end_of_the_log_tells_why_a_server_did_not_start(start: Start) -> None:
    with pytest.raises(LocalServiceError, match="Server ended with status 3 while starting") as caught:
        start("seq 100; echo port is taken >&2; exit 3")
    assert str(caught.value).splitlines()[-2:] == ["  100", "  port is taken"]
    assert "  80\n" not in str(caught.value)


def test_a_server_that_is_not_ready_in_time_does_not_stay(start: Start, tmp_path: Path) -> None:
    child = start("echo ready; exec sleep 60")
    with pytest.raises(LocalServiceError, match=r"Server was not ready within 0\.1 s"):
        child.wait_until(lambda: False, within_s=0.1)
    assert not child.running


def test_a_program_that_cannot_be_executed_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"Server can't be started: .*no-such-program"):
        ChildProcess("Server", ["/no-such-program"], log_file=tmp_path / "log", cwd=tmp_path, env={})


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(start: Start) -> None:
    child = start("echo ready; exec sleep 60")
    for pid in child.pids:
        assert os.getsid(pid) == os.getpgid(pid) == pid


OWNER = """
import os, pathlib, sys, time
from ubi_stream.local.process import ChildProcess
folder = pathlib.Path(sys.argv[1])
script = ["/bin/sh", "-c", sys.argv[2]]
child = ChildProcess("Server", script, log_file=folder / "log", cwd=folder, env=dict(os.environ))
print(*child.pids, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=["exec sleep 60", "trap '' TERM; while :; do sleep 0.1; done"], ids=["obeys", "ignores"])
def killed_owner(request: pytest.FixtureRequest, tmp_path: Path) -> list[int]:
    """Ids of a server and its guard, whose owner was just killed; the server obeys or ignores SIGTERM."""
    command = [sys.executable, "-c", OWNER, str(tmp_path), request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.kill()
    return pids


async def test_a_server_does_not_outlive_a_killed_owner(killed_owner: list[int]) -> None:
    assert len(killed_owner) == 2
    await eventually(
        lambda: all(status(pid) in (None, psutil.STATUS_ZOMBIE) for pid in killed_owner), message="both are gone"
    )


def test_the_output_tells_why_a_preparation_failed(tmp_path: Path) -> None:
    def run(script: str, within_s: float = 10) -> None:
        run_to_end("Formatting", ["/bin/sh", "-c", script], cwd=tmp_path, env=os.environ, within_s=within_s)

    run("touch formatted")
    assert (tmp_path / "formatted").exists()
    with pytest.raises(LocalServiceError, match=r"^Formatting failed with status 2:\ndisk is full$"):
        run("echo disk is full >&2; exit 2")
    with pytest.raises(LocalServiceError, match=r"Formatting: .*timed out"):
        run("exec sleep 60", within_s=0.1)
    with pytest.raises(LocalServiceError, match=r"Formatting: .*no-such-program"):
        run_to_end("Formatting", ["/no-such-program"], cwd=tmp_path, env={}, within_s=1)


def test_log_tail_reads_only_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff" * 1_000_000 + b"\none\ntwo\n")
    assert log_tail(log, lines=2) == "  one\n  two"


def test_servers_do_not_see_secrets_or_settings_meant_for_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UBI_SNAPSHOT_KEY", "PGPORT", "CLASSPATH", "JAVA_TOOL_OPTIONS", "LC_ALL"):
        monkeypatch.setenv(name, "x")
    environment = service_environment()
    assert not {"UBI_SNAPSHOT_KEY", "PGPORT", "CLASSPATH", "JAVA_TOOL_OPTIONS", "LC_ALL"} & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]
