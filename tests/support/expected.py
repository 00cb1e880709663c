"""What must come out: the offline run's states and insights, and what a worker left on topics and in Postgres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg
import msgspec

from support.topics import comparable, read_states, read_topic
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.effects import Tally
from ubi_stream.insights.encoding import encode_insight
from ubi_stream.insights.model import FeatureRow
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.state.model import UserState


@dataclass
class Expected:
    """The run that nothing disturbed."""

    run: OfflineRun
    tally: Tally
    insights: dict[str, bytes] = field(default_factory=dict)
    features: dict[tuple[str, str], FeatureRow] = field(default_factory=dict)

    def state(self, entity_id: str, entity: str = "user") -> UserState | None:
        """State of an entity at the end."""
        for number in range(self.run._settings.partitions):
            live = self.run.partition(entity, number).store.get(entity_id)
            if live is not None:
                return comparable(live.state)
        return None


def differing(one: UserState, other: UserState | None) -> list[str]:
    """Fields in which two states differ."""
    fields = [name for name in UserState.__struct_fields__ if getattr(one, name) != getattr(other, name, None)]
    if other is None or fields != ["history"]:
        return fields
    ours, theirs = one.history, other.history
    return [f"history.{name}" for name in ours.__struct_fields__ if getattr(ours, name) != getattr(theirs, name)]


def offline(settings: Settings, records: Iterable[ProducerRecord]) -> Expected:
    """Run records through the pipeline in this process."""
    run = OfflineRun(load_pack(settings.pack), settings, now_ms=SystemClock().now_ms())
    expected = Expected(run, run.tally)
    for effects in run.run(records):
        expected.insights |= {insight.id: encode_insight(insight) for insight in effects.insights}
        expected.features |= {(row.entity, row.event_id): row for row in effects.features}
    return expected


async def assert_exact(settings: Settings, expected: Expected) -> None:
    """States, insights and rows are those of the undisturbed run: none missing, none more, none different."""
    assert expected.insights, "the events bring no insight: nothing is compared"
    states = await read_states(settings)
    assert len(states) == expected.run.users()
    wrong = [user for user, state in states.items() if state != expected.state(user)]
    fields = {name for user in wrong for name in differing(states[user], expected.state(user))}
    assert not wrong, f"{len(wrong)} of {len(states)} states differ in {sorted(fields)}"

    delivered = await read_insights(settings)
    assert {id_: len(contents) for id_, contents in delivered.items() if len(contents) > 1} == {}, (
        "one id, two contents"
    )
    found = {id_: next(iter(contents)) for id_, contents in delivered.items()}
    assert found.keys() == expected.insights.keys()
    assert found == expected.insights
    await in_postgres(settings, found.keys())


async def read_insights(settings: Settings) -> dict[str, set[bytes]]:
    """Contents by id: delivery to the topic is at least once, so contents are counted, not records."""
    found: dict[str, set[bytes]] = {}
    for record in await read_topic(settings, settings.insights_topic):
        found.setdefault(msgspec.json.decode(record.value)["id"], set()).add(record.value)
    return found


async def in_postgres(settings: Settings, ids: Iterable[str], within_s: float = 30.0) -> None:
    """Wait until Postgres has exactly these insights, each once."""
    wanted = Counter(ids)
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:

        async def count() -> bool:
            rows: int = await connection.fetchval("SELECT count(*) FROM insights")
            return rows >= wanted.total()

        await eventually(count, within_s, f"{wanted.total()} insights are in Postgres")
        rows = Counter(str(row["id"]) for row in await connection.fetch("SELECT id FROM insights"))
    finally:
        await connection.close()
    assert rows == wanted
