"""Card payments through Kafka, with labels, a further entity and a kill: the windows are the published ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from support.expected import offline
from support.public_data import public_file
from support.topics import Offsets, read_topic
from support.workers import WorkerProcess, send, sending
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.insights.model import FeatureRow
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]

CUSTOMER = {
    f"customer_id_{theirs}_{days}day_window": f"exact_{local}_{days}d"
    for theirs, local in (("nb_tx", "count"), ("avg_amount", "mean_amount"))
    for days in (1, 7, 30)
}
TERMINAL = {
    f"terminal_id_{theirs}_{days}day_window": f"exact_{local}_{days}d"
    for theirs, local in (("nb_tx", "count"), ("risk", "bad_share"))
    for days in (1, 7, 30)
}
"""Our features by the columns of the published file."""


class Sample(msgspec.Struct, frozen=True):
    """All payments of some customers, and all payments at some terminals."""

    records: list[ProducerRecord]
    published: dict[str, dict[str, Any]]
    customers: set[str]
    terminals: set[str]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    payments = pl.read_csv(public_file("card_transactions_2018-06-17_07-31.csv.gz"))
    of_customers, at_terminals = pl.col("customer_id") % 125 == 3, pl.col("terminal_id") % 160 == 7
    chosen = payments.filter(of_customers | at_terminals)
    chosen.write_csv(tmp_path / "payments.csv")
    with ReplaySource(tmp_path / "payments.csv", "card_payments") as source:
        records = list(source)
    published = pl.read_csv(public_file("card_window_features_2018-07-25_07-31.csv.gz"))
    return Sample(
        records,
        {str(row["tx_id"]): row for row in published.iter_rows(named=True)},
        set(chosen.filter(of_customers)["customer_id"].cast(str)),
        set(chosen.filter(at_terminals)["terminal_id"].cast(str)),
    )


async def test_customers_and_terminals_have_the_published_windows_after_a_kill(
    settings: Settings, make_worker: MakeWorker, sample: Sample
) -> None:
    count = len(sample.records)
    assert 8_000 < count < 20_000
    worker = await make_worker(pack="payments", instance_id="one").started()
    expected = offline(worker.settings, sample.records)
    # The file's days pass within seconds. What waits while the worker is down must be less than the days that a label
    # comes before it is needed: a terminal's events come by several partitions, and not in step after a pause.
    middle, under_way = count // 2, 1_000
    async with Offsets(worker.settings) as offsets:
        await send(worker.settings, sample.records[: middle - under_way], per_s=1_500)
        async with sending(worker.settings, sample.records[middle - under_way : middle], per_s=600) as sent:
            await offsets.past(middle - under_way + 200)
            worker.kill()
            assert await offsets.behind() > 0
            await worker.started()
            await sent
            await offsets.all_committed(middle)
        await send(worker.settings, sample.records[middle:], per_s=1_500)
        await offsets.all_committed(count)

    rows = await read_features(worker.settings)
    customers = {key: row for key, row in rows.items() if key[0] == "user"}
    assert customers == {key: row for key, row in expected.features.items() if key[0] == "user"}
    compared = [differences(row, sample, "user", sample.customers, CUSTOMER) for row in rows.values()]
    compared += [differences(row, sample, "terminal", sample.terminals, TERMINAL) for row in rows.values()]
    known = [found for found in compared if found is not None]
    assert len(known) > 500
    assert [found for found in known if found] == []


async def read_features(settings: Settings) -> dict[tuple[str, str], FeatureRow]:
    """Features by kind of entity and event; those that came twice came twice the same."""
    rows: dict[tuple[str, str], FeatureRow] = {}
    for record in await read_topic(settings, settings.features_topic):
        row = msgspec.json.decode(record.value, type=FeatureRow)
        assert rows.setdefault((row.entity, row.event_id), row) == row
    return rows


def differences(
    row: FeatureRow, sample: Sample, entity: str, whole: set[str], columns: dict[str, str]
) -> list[str] | None:
    """Columns in which a row is not the published one; None where that says nothing about it."""
    published = sample.published.get(row.event_id)
    if row.entity != entity or row.entity_id not in whole or published is None:
        return None
    return [
        f"{row.event_id} {local}: {row.features[local]}, published {published[theirs]}"
        for theirs, local in columns.items()
        if abs((row.features[local] or 0.0) - published[theirs]) > 1e-6
    ]
