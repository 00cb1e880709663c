"""`ubi worker --supervise`: again and again, until it is told to stop or there is no point in it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ubi_stream.cli.commands.worker import with_membership
from ubi_stream.cli.supervise import Supervisor
from ubi_stream.clock import SystemClock
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
from ubi_stream.cli.supervise import Supervisor
from ubi_stream.clock import SystemClock
child = "import signal; print('up', flush=True); signal.sigwait([signal.SIGTERM, signal.SIGINT]); raise SystemExit(7)"
child = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])\\n" + child
sys.exit(Supervisor([sys.executable, "-c", child], {}, SystemClock(), lambda status, pause_s: None).run())
"""


@pytest.mark.parametrize("statuses", ["70 71 0", "70 72 64", "69 70 65"])
def test_a_process_is_started_again_until_that_has_no_point(statuses: str, tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    environment = {"LIVES": str(tmp_path / "lives"), "STATUSES": statuses}
    supervisor = Supervisor(
        [sys.executable, "-c", COUNTS],
        environment,
        SystemClock(),
        lambda status, pause_s: told.append((status, pause_s)),
        first_pause_s=0.01,
    )
    first, second, last = map(int, statuses.split())
    assert supervisor.run() == last
    assert told == [(first, 0.01), (second, 0.02)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_passed_on_and_ends_both(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(10) == 7


@pytest.mark.timeout(30)
@pytest.mark.parametrize("moment", range(1, 16))
def test_a_signal_at_any_moment_of_a_pause_ends_it(moment: int) -> None:
    """The profiler calls us at each call and return of the code that the signal may come into."""
    seen = 0

    def signal_at_that_moment(*_event: object) -> None:
        nonlocal seen
        seen += 1
        if seen == moment:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    supervisor = Supervisor(
        [sys.executable, "-S", "-c", "raise SystemExit(70)"],
        {},
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
    assert Supervisor([sys.executable, "-c", ""], {}, SystemClock(), lambda status, pause_s: None).run() == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_supervised_worker_stays_the_same_member_over_its_lives() -> None:
    settings = Settings(_env_file=None, instance_id=None)
    first, second = with_membership(settings), with_membership(settings)
    assert first.instance_id
    assert first.instance_id != second.instance_id  # of two supervisors
    assert with_membership(first) == first  # of one, or of whoever gave the name
