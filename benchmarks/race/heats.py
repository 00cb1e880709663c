"""A heat: one contestant over one input, first from nothing, and then from where it was stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from benchmarks.race.contest import Contestant, Runner, Track, watched
from benchmarks.race.inputs import card_payments, load, shoppers
from benchmarks.race.report import Heat
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.errors import UbiError
from ubi_stream.kafka.client import connect_admin
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings

INPUTS: Final = {"ecommerce": ("shop", shoppers), "payments": ("card payments", card_payments)}
RESTART_EVENTS: Final = 2_000
"""Read by the second start."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much.

    Attributes
    ----------
    events
        On the topic; who takes them in chunks reads them all.
    others_events
        The first so many are read by everybody else, who would take hours for all.
    restart
        Whether everybody is stopped and started once more.
    """

    events: int
    others_events: int
    users: int
    rounds: int
    restart: bool

    def changed(
        self, *, events: int | None = None, others_events: int | None = None, rounds: int | None = None
    ) -> Plan:
        """The same with other numbers; None changes nothing. Nobody reads more than there is."""
        total = self.events if events is None else events
        others = self.others_events if others_events is None else others_events
        return dataclasses.replace(
            self,
            events=total,
            others_events=min(total, others),
            rounds=self.rounds if rounds is None else rounds,
        )


async def prepare_topic(
    kafka: EmbeddedKafka,
    postgres: EmbeddedPostgres,
    folder: Path,
    plan: Plan,
    pack: str,
    partitions: int = 4,
) -> Track:
    """Make the topic that everybody reads, and fill it."""
    settings = Settings(
        _env_file=None,
        broker=kafka.bootstrap,
        topic_prefix=f"race-{pack}",
        pack=pack,
        partitions=partitions,
        snapshot_key=SecretStr("race"),
        log_level="warning",
        session_timeout_s=10.0,
    )
    admin = await connect_admin(settings, SystemClock())
    try:
        await ensure_topics(admin, settings, load_pack(pack))
    finally:
        await admin.close()
    records: Iterable[ProducerRecord] = INPUTS[pack][1](plan.events, plan.users) if plan.events else ()
    await load(settings, records)
    return Track(kafka, postgres, settings, folder)


async def run_heat(track: Track, contestant: Contestant, plan: Plan, number: int) -> Heat:
    """One contestant, once; what goes wrong is noted and ends only its own heat."""
    total = plan.events if contestant.reads_all else plan.others_events
    heat = Heat(contestant.key, INPUTS[track.settings.pack][0], number, total)
    try:
        async with track.prepared(contestant) as settings:
            first = Runner(contestant, settings, track.folder, f"{number}-first")
            first.start()
            try:
                course = await watched([first], total)
            finally:
                first.stop()
            heat = dataclasses.replace(
                heat,
                events_per_s=course.events_per_s,
                cpu_s_per_million=course.cpu_s_per_million,
                peak_mb=course.peak_mb,
                start_up_s=course.start_up_s,
                lost=total - course.events,
                note=f"{total - course.events:,} events never came" if course.events < total else "",
            )
            if plan.restart and contestant.keeps_state:
                heat = dataclasses.replace(heat, restart_s=await _restarted(contestant, settings, track, number))
    except (UbiError, OSError, TimeoutError) as error:
        return dataclasses.replace(heat, note=f"{type(error).__name__}: {str(error).splitlines()[0]}")
    return heat


async def _restarted(contestant: Contestant, settings: Settings, track: Track, number: int) -> float:
    """Seconds from a second start to the first new event, with all state of the first one."""
    again = Runner(contestant, settings, track.folder, f"{number}-second")
    again.start()
    try:
        await load(settings, _fresh(RESTART_EVENTS))
        return (await watched([again], 1)).start_up_s
    finally:
        again.stop()


def _fresh(events: int) -> Iterable[ProducerRecord]:
    return shoppers(events, 1_000, seed=99)
