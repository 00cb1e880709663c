"""Compares the configuration of topics that are there with what the product makes them with."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from ubi_stream.errors import TopicLayoutError
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.topics import all_topics
from ubi_stream.settings import Settings


class _Fits(Enum):
    """How a value has to compare with the wanted one."""

    EQUAL = ""
    AT_LEAST = "at least "
    AT_MOST = "at most "


_RULES: Final = {
    "cleanup.policy": _Fits.EQUAL,
    "message.timestamp.type": _Fits.EQUAL,
    "retention.ms": _Fits.AT_LEAST,
    "max.message.bytes": _Fits.AT_LEAST,
    "min.compaction.lag.ms": _Fits.AT_LEAST,
    "delete.retention.ms": _Fits.AT_LEAST,
    "max.compaction.lag.ms": _Fits.AT_MOST,
    "segment.ms": _Fits.AT_MOST,
}
_POLICY: Final = "cleanup.policy"


class TopicDifference(msgspec.Struct, frozen=True):
    """One setting of a topic that is not as wanted.

    Attributes
    ----------
    wanted
        The value, with `at least` or `at most` before it where that will do.
    harm
        What it does, where that is losing data: such a topic is not worked with. Else empty.
    """

    topic: str
    key: str
    found: str
    wanted: str
    harm: str = ""

    def __str__(self) -> str:
        harm = f": {self.harm}" if self.harm else ""
        return f"topic {self.topic} has {self.key}={self.found}, {self.wanted} is wanted{harm}"


async def differing_configs(admin: AIOKafkaAdminClient, settings: Settings, pack: Pack) -> list[TopicDifference]:
    """What is not as wanted, of topics that are there and whose configuration we may read; the harmful first."""
    wanted = all_topics(settings, pack)
    there = sorted(wanted.keys() & set(await admin.list_topics()))
    if not there:
        return []
    found: list[TopicDifference] = []
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    for response in await admin.describe_configs(resources):
        for error_code, _, _, name, entries in response.resources:
            if not error_code:  # else we have no right to read it
                found += compare(name, wanted[name], {entry[0]: entry[1] for entry in entries})
    return sorted(found, key=lambda one: (not one.harm, one.topic, one.key))


def compare(topic: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> list[TopicDifference]:
    """Differences of one topic.

    >>> [str(one) for one in compare("t", {"retention.ms": "9"}, {"retention.ms": "5"})]
    ['topic t has retention.ms=5, at least 9 is wanted']
    >>> compare("t", {"retention.ms": "9"}, {"retention.ms": "-1"})
    []
    """
    return [
        TopicDifference(topic, key, found[key], f"{_RULES[key].value}{value}", _harm(wanted, key, found[key]))
        for key, value in wanted.items()
        if key in found and not _fits(_RULES[key], found[key], value)
    ]


def require_harmless(differences: list[TopicDifference]) -> None:
    """Refuse topics on which state or events would be lost.

    Raises
    ------
    TopicLayoutError
        There is one; the sentence has the command that corrects it.
    """
    for one in differences:
        if one.harm:
            raise TopicLayoutError(
                f"{one}; correct it with `kafka-configs.sh --alter --entity-type topics --entity-name {one.topic} "
                f"--add-config {one.key}={one.wanted}`"
            )


def _fits(rule: _Fits, found: str, wanted: str) -> bool:
    if rule is _Fits.EQUAL:
        return found == wanted
    number = float("inf") if found == "-1" else float(found)  # -1 is without end
    return number >= float(wanted) if rule is _Fits.AT_LEAST else number <= float(wanted)


def _harm(wanted: Mapping[str, str], key: str, found: str) -> str:
    if key != _POLICY:
        return ""
    if wanted[_POLICY] == "compact":
        return "states of users who are silent for a while would be deleted"
    return "of each user only the newest record would be kept" if "compact" in found else ""
