"""The processes of one `ubi worker`: each is a worker of its own, and they share the group's partitions."""

from __future__ import annotations

import secrets
import uuid

from pydantic import SecretStr
from yarl import URL

from ubi_stream.settings import Settings


def settings_of_processes(settings: Settings) -> list[Settings]:
    """Settings of each process: what only one of them can have is numbered.

    The first one has the port that was asked for, those after it the ports after that. All sign models with the same
    key, also where none was given: a partition that moves between them keeps its models.
    """
    if settings.processes == 1:
        return [settings]
    key = settings.snapshot_key.get_secret_value() or secrets.token_hex(32)
    together = settings.model_copy(update={"snapshot_key": SecretStr(key), "processes": 1})
    return [_numbered(together, number) for number in range(settings.processes)]


def with_membership(settings: Settings) -> Settings:
    """Settings under which a worker that is started again is the same member of its group.

    It takes its partitions over at once then, instead of waiting until the broker misses the one that died.
    """
    if settings.instance_id is not None:
        return settings
    return settings.model_copy(update={"instance_id": f"supervised-{uuid.uuid4().hex[:12]}"})


def _numbered(settings: Settings, number: int) -> Settings:
    changes: dict[str, object] = {"web_port": settings.web_port and settings.web_port + number}
    if settings.instance_id is not None:
        changes["instance_id"] = f"{settings.instance_id}-{number}"
    if settings.advertised_url is not None:
        url = URL(settings.advertised_url)
        changes["advertised_url"] = str(url.with_port((url.port or 80) + number))
    if settings.state_store == "rocksdb":
        changes["state_dir"] = settings.state_root / str(number)
    return settings.model_copy(update=changes)
