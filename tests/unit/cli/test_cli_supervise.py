"""`ubi worker --supervise`: again and again, until it is told to stop or there is no point in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ubi_stream.clock import SystemClock
from ubi_stream.operations.processes import with_membership
from ubi_stream.operations.supervise import Supervisor
from ubi_stream.settings import Settings

COUNTS = """
import os, pathlib, sys
file = pathlib.Path(os.environ["LIVES"])
lives = int(file.read_text() or 0) + 1 if file.exists() else 1
file.write_text(str(lives))
sys.exit(int(os.environ["STATUSES"].split()[lives - 1]))
"""
WAITS = """
import sys
from ubi_stream.operations.supervise import Supervisor
from ubi_stream.clock import SystemClock
child = "import signal; print('up', flush=True); signal.sigwait([signal.SIGTERM, signal.SIGINT]); raise SystemExit(7)"
child = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])\\n" + child
sys.exit(Supervisor([sys.executable, "-c", child], [{}], SystemClock(), lambda status, pause_s: None).run())
"""

COUNTS_SIGNALS = """
import os, pathlib, signal, sys, time
file = pathlib.Path(os.environ["SIGNALS"])
if os.environ["ENDS"]:
    while not file.exists():
        time.sleep(0.01)
    sys.exit(int(os.environ["ENDS"]))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
file.write_text("up")
signal.sigwait([signal.SIGTERM])
again = signal.sigtimedwait([signal.SIGTERM], 0.3)
file.write_text("one signal" if again is None else "two signals")
"""


@pytest.mark.parametrize("statuses", ["70 71 0", "70 72 64", "69 70 65"])
def test_a_process_is_started_again_until_that_has_no_point(statuses: str, tmp_path: Path) -> None:
    delivered: list[tuple[int, float]] = []
    environment = {"LIVES": str(tmp_path / "lives"), "STATUSES": statuses}
    supervisor = Supervisor(
        [sys.executable, "-c", COUNTS],
        [environment],
        SystemClock(),
        lambda status, pause_s: delivered.append((status, pause_s)),
        first_pause_s=0.01,
    )
    first, second, last = map(int, statuses.split())
    assert supervisor.run() == last
    assert delivered == [(first, 0.01), (second, 0.02)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_ends_both(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(10) == 7


def test_a_signal_reaches_a_process_once(tmp_path: Path) -> None:
    """A worker takes the second one for the order to end at once."""
    file = tmp_path / "signals"
    supervisor = Supervisor(
        [sys.executable, "-c", COUNTS_SIGNALS],
        [{"SIGNALS": str(file), "ENDS": ""}],
        SystemClock(),
        lambda status, pause_s: None,
    )

    def signal_us() -> None:
        while not file.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(signal_us)
        assert supervisor.run() == 0
    assert file.read_text() == "one signal"


@pytest.mark.timeout(30)
@pytest.mark.parametrize("nth", range(1, 16))
def test_a_signal_at_any_moment_of_a_pause_ends_it(nth: int) -> None:
    """The profiler calls us at each call and return of the code that the signal may come into."""
    seen = 0

    def signal_at_that_moment(*_event: object) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    supervisor = Supervisor(
        [sys.executable, "-S", "-c", "raise SystemExit(70)"],
        [{}],
        SystemClock(),
        lambda status, pause_s: sys.setprofile(signal_at_that_moment),
        first_pause_s=600,
    )
    try:
        assert supervisor.run() == 0
    finally:
        sys.setprofile(None)


def test_our_own_signal_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert Supervisor([sys.executable, "-c", ""], [{}], SystemClock(), lambda status, pause_s: None).run() == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_with_several_the_first_that_ends_for_good_ends_all(tmp_path: Path) -> None:
    """The others are asked to end once, as a second signal would cut them short, and waited for."""
    file = tmp_path / "signals"
    supervisor = Supervisor(
        [sys.executable, "-c", COUNTS_SIGNALS],
        [{"SIGNALS": str(file), "ENDS": ""}, {"SIGNALS": str(file), "ENDS": "71"}],
        SystemClock(),
        lambda status, pause_s: None,
        again=False,
    )
    assert supervisor.run() == 71
    assert file.read_text() == "one signal"


def test_of_several_each_is_started_again_by_itself(tmp_path: Path) -> None:
    delivered: list[int] = []
    supervisor = Supervisor(
        [sys.executable, "-c", COUNTS],
        [
            {"LIVES": str(tmp_path / "a"), "STATUSES": "70 70 64"},
            {"LIVES": str(tmp_path / "b"), "STATUSES": "72 72 72 72 72 72 72 72 72 72 72 72"},
        ],
        SystemClock(),
        lambda status, pause_s: delivered.append(status),
        first_pause_s=0.01,
    )
    assert supervisor.run() == 64
    assert delivered.count(70) == 2
    assert 72 in delivered


def test_a_supervised_worker_stays_the_same_member_over_its_lives() -> None:
    settings = Settings(_env_file=None, instance_id=None)
    first, second = with_membership(settings), with_membership(settings)
    assert first.instance_id
    assert first.instance_id != second.instance_id  # of two supervisors
    assert with_membership(first) == first  # of one, or of whoever gave the name
