"""The scenarios: which fault, to which stream, with how many workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from benchmarks.faults.breaking import (
    all_at_once,
    all_killed,
    broker_away_at_steps,
    broker_killed,
    broker_paused,
    cold_group,
    deaths_between_steps,
    deaths_without_idempotence,
    kills,
    kills_in_restore,
    one_three_one,
    postgres_killed,
    postgres_paused,
    restarts,
    slow_database,
    soak,
    zombie,
)
from benchmarks.faults.broken_worker import RESTORING
from benchmarks.faults.damage import another_river, another_snapshot_key, bad_snapshots, corrupt_changelog
from benchmarks.faults.machine import disk_full, one_core, stalling_disk
from benchmarks.faults.run import Run
from ubi_stream.synthetic.chaos import ChaosOptions

Fault = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A fault, and the stream that it happens to.

    Attributes
    ----------
    how
        For the table.
    stream
        Which stream; an input file takes the place of both.
    exact
        Whether insights can be compared with a reference: not where the broker chooses the order between topics, or
        models are started anew on purpose.
    per_s
        Pace of the stream; a backlog builds up where it is more than a worker takes.
    sends_itself
        The fault sends the stream, part by part.
    small_disk
        Which server has a disk of its own that can be filled; on Kafka's are the workers' logs, too.
    minutes
        How long the stream lasts, if that and not the number of events is what was asked for.
    """

    name: str
    how: str
    fault: Fault
    stream: Literal["shoppers", "payments"] = "payments"
    workers: int = 1
    per_s: float = 4_000.0
    chaos: ChaosOptions | None = None
    wrong_keys: bool = False
    skewed_clocks: bool = False
    exact: bool = True
    slow_proxy: bool = False
    sends_itself: bool = False
    small_disk: Literal["kafka", "postgres"] | None = None
    minutes: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


_TROUBLE = ChaosOptions(
    duplicates=0.10, out_of_order=0.20, late=0.05, duplicate_within_ms=7_200_000, out_of_order_ms=300_000
)
_POISON = ChaosOptions(poison=0.05)

FULL: Final = (
    Scenario("worker killed", "SIGKILL at 20 random moments", kills, context={"kills": 20}, per_s=1_500),
    Scenario(
        "killed while restoring",
        "SIGKILL within 50 ms of ready, and in a restore",
        kills_in_restore,
        "shoppers",
    ),
    Scenario(
        "killed between steps", "SIGKILL between each two steps of a barrier", deaths_between_steps, sends_itself=True
    ),
    Scenario("restarts with a backlog", "SIGTERM, 6 times", restarts, per_s=6_000),
    Scenario("all workers killed", "SIGKILL of 3 at once, twice, on empty disks", all_killed, "shoppers", workers=3),
    Scenario("cold group", "committed offsets deleted, tables full", cold_group),
    Scenario("broker killed", "SIGKILL, back after 30 s", broker_killed, context={"at": (0.3,), "away_s": 30}),
    Scenario(
        "broker restarted",
        "SIGKILL, back at once, twice",
        broker_killed,
        "shoppers",
        context={"at": (0.3, 0.6), "away_s": 0},
    ),
    Scenario(
        "deliveries fail",
        "SIGKILL of the broker, back after 15 s, when a delivery may take 3",
        broker_killed,
        settings={"delivery_timeout_s": 3.0},
        context={"at": (0.3,), "away_s": 15},
    ),
    Scenario(
        "broker away in a barrier",
        "killed before effects, records and half of the states are acknowledged; paused for 8 s",
        broker_away_at_steps,
        "shoppers",
        sends_itself=True,
        context={
            "deeds": (
                ("before-effects", "kill"),
                ("after-effects", "kill"),
                ("between-states", "kill"),
                ("after-record", "pause"),
            ),
            "away_s": 8,
        },
    ),
    Scenario(
        "broker away in a restore",
        "killed, then paused, for 8 s each",
        broker_away_at_steps,
        sends_itself=True,
        context={"deeds": ((RESTORING, "kill"), (RESTORING, "pause")), "away_s": 8},
    ),
    Scenario("broker paused", "SIGSTOP for 60 s", broker_paused, "shoppers", context={"away_s": 60}),
    Scenario(
        "Postgres killed",
        "SIGKILL, back after 60 s",
        postgres_killed,
        "shoppers",
        context={"away_s": 60},
        per_s=1_200,
    ),
    Scenario("Postgres paused", "SIGSTOP for 40 s", postgres_paused, context={"away_s": 40}),
    Scenario("workers 1 -> 3 -> 1", "under load", one_three_one, per_s=2_500),
    Scenario("zombie", "SIGSTOP past the session, then SIGCONT, twice", zombie, "shoppers", workers=2, per_s=2_500),
    Scenario(
        "disorder",
        "10 % duplicates, 20 % out of order, 5 % late; 3 kills",
        kills,
        "shoppers",
        chaos=_TROUBLE,
        context={"kills": 3},
    ),
    Scenario(
        "clocks skewed",
        "by up to decades, corrected by `sent_at`, or 1 % without; 3 kills",
        kills,
        "shoppers",
        skewed_clocks=True,
        context={"kills": 3},
    ),
    Scenario(
        "wrong and null keys",
        "10 % of users, 5 % of records; 3 kills",
        kills,
        "shoppers",
        wrong_keys=True,
        exact=False,
        context={"kills": 3},
    ),
    Scenario("poison", "5 %, of every kind; 3 kills", kills, chaos=_POISON, context={"kills": 3}),
    Scenario(
        "corrupt changelog", "noise, halves and nothing in place of states and models", corrupt_changelog, "shoppers"
    ),
    Scenario("another snapshot key", "models refused", another_snapshot_key, exact=False),
    Scenario("damaged models", "cut off, then with one bit flipped: refused", bad_snapshots, "shoppers", exact=False),
    Scenario("another River", "models refused", another_river, exact=False),
    Scenario("three faults at once", "worker, broker and Postgres killed together", all_at_once),
    Scenario(
        "Postgres' disk full",
        "for 15 s; scoring goes on",
        disk_full,
        "shoppers",
        small_disk="postgres",
        context={"full_s": 15, "scoring_goes_on": True},
    ),
    Scenario(
        "Kafka's disk full",
        "for 15 s, with the workers' logs on it",
        disk_full,
        small_disk="kafka",
        context={"full_s": 15, "scoring_goes_on": False},
    ),
    Scenario("slow disk", "broker and database stand still for 0.3 s of each 0.6 s", stalling_disk, "shoppers"),
    Scenario("one core", "for broker, database and worker; 2 kills", one_core),
    Scenario("slow database", "200 ms on each answer, connections cut", slow_database, "shoppers", slow_proxy=True),
)

QUICK: Final = (
    Scenario("worker killed", "SIGKILL at 3 random moments", kills, context={"kills": 3}, per_s=600),
    Scenario(
        "broker restarted",
        "SIGKILL, back after 5 s",
        broker_killed,
        context={"at": (0.4,), "away_s": 5},
        per_s=800,
    ),
    Scenario(
        "Postgres killed",
        "SIGKILL, back after 8 s",
        postgres_killed,
        "shoppers",
        context={"away_s": 8},
        per_s=600,
    ),
    Scenario(
        "duplicates and poison",
        "10 % duplicates, 5 % poison; 1 kill",
        kills,
        "shoppers",
        chaos=ChaosOptions(duplicates=0.10, poison=0.05, duplicate_within_ms=7_200_000),
        context={"kills": 1},
        per_s=800,
    ),
)

CONTROL: Final = Scenario(
    "control",
    "idempotence switched off; killed before offsets are committed",
    deaths_without_idempotence,
    per_s=300,
    sends_itself=True,
)
"""Must not be clean."""


SOAK: Final = "soak"


def soaking(minutes: float, per_s: float = 2_000) -> Scenario:
    """The soak, as long as asked for."""
    how = f"{minutes:g} minutes at {per_s:,.0f} events/s"
    return Scenario(SOAK, how, soak, "shoppers", per_s=per_s, minutes=minutes)
