"""What a restore refuses before it asks Kafka anything, and where it has the group go on."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
from aiokafka import TopicPartition

from ubi_stream.errors import ConfigError, TopicLayoutError
from ubi_stream.operations.archive import Manifest, PartitionStart
from ubi_stream.operations.cluster import Cluster, PartitionTopics
from ubi_stream.operations.restore import _ahead, _check_pack, _offsets
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.settings import Settings

PACK = load_pack("ecommerce")
MANIFEST = Manifest("1", "2026-11-21", "ubi", "ubi", PACK.name, PACK.version, PACK.events.types, 4, {"user": 1})


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"pack": "payments"}, ConfigError, "the backup is of pack payments, UBI_PACK is ecommerce: set it"),
        ({"types": ("other", *PACK.events.types)}, ConfigError, "counted with"),
        ({"epochs": {"user": 1, "terminal": 2}}, ConfigError, "has states of terminal"),
        ({"partitions": 8}, TopicLayoutError, "restore with UBI_PARTITIONS=8, and run `ubi repartition` afterwards"),
    ],
)
def test_a_backup_of_something_else_is_refused_with_what_to_do(
    changes: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        _check_pack(msgspec.structs.replace(MANIFEST, **changes), Settings(partitions=4), PACK)


def test_a_later_version_of_the_pack_with_more_types_will_do() -> None:
    earlier = msgspec.structs.replace(MANIFEST, pack_version=0, types=PACK.events.types[:-1])
    _check_pack(earlier, Settings(partitions=4), PACK)


class Starts:
    """A broker whose topics begin here."""

    def __init__(self, starts: Offsets) -> None:
        self._starts = starts

    async def starts(self, partitions: Any) -> Offsets:
        return {tp: self._starts[tp] for tp in partitions}


async def test_the_group_goes_on_where_the_backup_was_or_where_the_topic_begins() -> None:
    # the backup was at   10 | 20 | - |
    # the topics begin at  0 | 25 | 3 |      5 events expired since
    sources = [TopicPartition("ubi.events", number) for number in range(3)]
    tasks = [PartitionTopics("user", tp.partition, (tp,), tp, tp) for tp in sources]
    cluster = cast(Cluster, Starts(dict(zip(sources, (0, 25, 3), strict=True))))
    saved = (PartitionStart("user", 0, {"ubi.events": 10}, {}), PartitionStart("user", 1, {"ubi.events": 20}, {}))
    assert await _offsets(cluster, saved, tasks) == (dict(zip(sources, (10, 25, 3), strict=True)), 5)
    assert await _offsets(cluster, (), tasks) == (dict(zip(sources, (0, 25, 3), strict=True)), 0), "new topics"


def test_what_models_learned_and_states_may_lack_is_told() -> None:
    at_rest = PartitionStart("user", 0, {"ubi.events": 10}, {"ubi.events": 9})
    under_load = PartitionStart("user", 0, {"ubi.events": 10}, {"ubi.events": 29, "ubi.events.by-user": 4})
    assert (_ahead(at_rest), _ahead(under_load)) == (0, 25)
