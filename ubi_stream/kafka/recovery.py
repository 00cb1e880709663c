"""Faust's recovery service, replaced: first state, then positions, then flow, and only then the source partitions.

Faust resumes the source partitions before it seeks, so that events are delivered and thrown away
(`docs/faust.md`, row 1); it swallows errors, and waits for ever on some changelogs (rows 12 and 13).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from mode import Service

from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.restore import Restorer, is_cancelled
from ubi_stream.kafka.table import PartitionedTable

OpenPartitions = Callable[[set[int]], Awaitable[None]]


class ChunkRecovery(Recovery):
    """Restores tables after each assignment, and lets events flow when all is in place.

    Attributes
    ----------
    restorer
        Reads the changelogs.
    open_partitions
        Awaited with the partitions whose tables are restored: sets up what works on them.
    on_failure
        Called with an error that ends the worker; does not return.
    """

    restorer: Restorer
    open_partitions: OpenPartitions
    on_failure: Callable[[BaseException], Any]

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._recover(self._generation_id)
            except RebalanceAgain:
                continue  # another rebalance began: its assignment is restored instead
            except ServiceStopped:
                return
            except IllegalStateError as error:  # a partition was taken away meanwhile: another assignment follows
                if not await self._another_assignment():
                    self.on_failure(error)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                # Of something that it waited for: the task would end without a word, and nothing ever flow.
                self.on_failure(RecoveryError("the restore was cut off by a client that ended"))
            except Exception as error:  # noqa: BLE001 - whatever it is: without state, nothing may flow
                self.on_failure(error)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Faust's reader of changelogs: nothing is delivered from them here."""

    async def _recover(self, generation: int) -> None:
        app, consumer = self.app, self.app.consumer
        assignment = consumer.assignment()
        sources = {tp for tp in assignment if not self._is_changelog_tp(tp)}
        tables = {table.changelog: table for table in cast("list[PartitionedTable]", list(self.tables.values()))}
        partitions = {tp.partition for tp in sources}
        if partitions:  # without any it may be about to leave, and come back
            for table in tables.values():
                table.keep_only(partitions)
        await self._wait(self.restorer.restore(tables, partitions))
        await self._wait(self.open_partitions(partitions))
        await app.on_rebalance_complete.send()
        if app.consumer_generation_id != generation:
            raise RebalanceAgain
        await self._wait(consumer.stop_delivery())
        if assignment:
            await self._wait(self._seek())
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        consumer.resume_partitions(sources)
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        progress = self.restorer.progress
        structlog.get_logger("ubi_stream.recovery").info(
            "restored", partitions=sorted(partitions), records=progress.records, seconds=round(progress.seconds, 3)
        )

    async def _seek(self) -> None:
        within_s = self.app.conf.broker_request_timeout
        try:
            async with asyncio.timeout(within_s):
                await self.app.consumer.perform_seek()
        except TimeoutError as error:
            raise RecoveryError(f"the committed offsets could not be read within {within_s:.0f} s") from error

    async def _another_assignment(self) -> bool:
        found = await self.wait_first(self.signal_recovery_start, timeout=self.app.conf.broker_rebalance_timeout)
        return found.stopped or bool(found.done)


class ChunkTableManager(TableManager):
    """Faust's table manager with our recovery."""

    def configure(self, restorer: Restorer, open_partitions: OpenPartitions, on_failure: Callable[..., Any]) -> None:
        """Give the recovery what it needs; before the app starts."""
        recovery = ChunkRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        recovery.restorer = restorer
        recovery.open_partitions = open_partitions
        recovery.on_failure = on_failure
        self._recovery = recovery

    async def on_start(self) -> None:
        """As Faust does, without its pause of a second: whoever subscribes waits for agents and tables anyway."""
        await self._update_channels()
        await self.recovery.start()
