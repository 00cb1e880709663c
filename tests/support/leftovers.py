"""Finds what a test left behind: tasks, threads, processes, changes of the environment."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass, field

import psutil

_GRACE_S = 1.0  # what was told to end may still be ending
_POLL_S = 0.02
_PYTEST_OWN = "PYTEST_CURRENT_TEST"


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != _PYTEST_OWN}


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children())


@dataclass(frozen=True)
class Surroundings:
    """What was there before a test."""

    threads: frozenset[threading.Thread] = field(default_factory=lambda: frozenset(threading.enumerate()))
    children: frozenset[psutil.Process] = field(default_factory=lambda: frozenset(_children()))
    environment: dict[str, str] = field(default_factory=_environment)

    def leftovers(self, allowed_pids: frozenset[int]) -> list[str]:
        """Sentences about what is there now and wasn't, after waiting up to 1 s for it to go.

        Parameters
        ----------
        allowed_pids
            Processes that may stay: the servers of the session.
        """
        deadline = time.monotonic() + _GRACE_S
        while (found := self._found(allowed_pids)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return found

    def _found(self, allowed_pids: frozenset[int]) -> list[str]:
        threads = [thread for thread in threading.enumerate() if not thread.daemon and thread not in self.threads]
        children = [child for child in _children() - self.children if child.pid not in allowed_pids]
        now = _environment()
        changed = sorted(
            key for key in now.keys() | self.environment.keys() if now.get(key) != self.environment.get(key)
        )
        return [
            *(f"thread {thread.name} still runs" for thread in threads),
            *(f"process {child.pid} ({_command(child)}) still runs" for child in children),
            *(f"environment variable {key} was changed" for key in changed),
        ]


def tasks_left() -> list[str]:
    """Sentences about the running loop's tasks, other than the one that asks."""
    current = asyncio.current_task()
    return [
        f"task {task.get_name()} still runs: {task.get_coro()!r}" for task in asyncio.all_tasks() if task is not current
    ]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120] or process.name()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return "ended, but nobody asked for its status"
