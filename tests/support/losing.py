"""Takes away what a deployment keeps on Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from support.waiting import eventually
from ubi_stream.settings import Settings


@asynccontextmanager
async def admin_of(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for as long as the context lasts."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def forget_group(settings: Settings) -> None:
    """Have the broker forget the group, as if it had never committed."""
    async with admin_of(settings) as admin:
        ((_, error),) = (await admin._send_request(DeleteGroupsRequest([settings.app_id]))).results
        assert error == 0


async def lose_topics(settings: Settings, topics: Sequence[str]) -> None:
    """Delete topics, and wait until they are gone."""
    async with admin_of(settings) as admin:
        await admin.delete_topics(list(topics))

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await eventually(gone, 15, "the topics are gone")
