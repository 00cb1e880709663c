"""`python -m benchmarks.state_stores`: what a user costs with states in memory and in RocksDB, without any server.

One partition is filled with real states, set up as after a restore, and gets events, each of another user. Each store
has a process of its own. The result is JSON, a line for each.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import multiprocessing
import tempfile
from pathlib import Path
from time import process_time

import psutil
import structlog

from benchmarks.race.states import of_users, sample_states
from ubi_stream.clock import SystemClock
from ubi_stream.events.model import Record
from ubi_stream.kafka.changelog_store import Content, MemoryContent
from ubi_stream.kafka.rocks import RocksFolder
from ubi_stream.packs.loader import load_pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.settings import Settings

STORES = ("memory", "rocksdb")
_STEP = 2_000
_CHUNK, _BARRIER = 256, 5_120


def measure(store: str, users: int, events: int) -> dict[str, float | str]:
    """One store, in this process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # the output is JSON
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None)
        setup = PartitionSetup(
            load_pack("ecommerce"),
            "user",
            0,
            epoch=1,
            seed=1,
            snapshot_key=b"k",
            cache_size=settings.state_cache_of_a_partition,
        )
        blobs = sample_states(settings)
        Partition(setup, {}, {})  # what is imported and compiled once
        gc.collect()
        before = psutil.Process().memory_info().rss
        content = _content(store, Path(folder))
        for start in range(0, users, _STEP):
            for user in range(start, min(users, start + _STEP)):
                content[b"u%06d" % user] = bytes(bytearray(blobs[user % len(blobs)]))
            content.commit(range(start, min(users, start + _STEP)))
        started_s = process_time()
        partition = Partition(setup, content, {})
        opened_s = process_time() - started_s
        gc.collect()
        resident = psutil.Process().memory_info().rss - before
        cost_s = _process(partition, content, users, events)
        content.close()
        return {
            "store": store,
            "users": users,
            "bytes_of_a_state": round(partition.store.encoded_bytes / users),
            "memory_per_user": round(resident / users),
            "set_up_us_per_user": round(opened_s / users * 1e6, 1),
            "us_per_event": round(cost_s / events * 1e6, 1),
        }


def _content(store: str, folder: Path) -> Content:
    content = RocksFolder(folder, SystemClock()).store("states", "1").open(0) if store == "rocksdb" else MemoryContent()
    content.resume(0, 0)
    return content


def _process(partition: Partition, content: Content, users: int, events: int) -> float:
    """Processor time of so many events, states put away as at barriers."""
    now_ms, position = SystemClock().now_ms(), users
    raw = of_users(users, events)
    records = [Record("ubi.events", 0, at, now_ms, one.key, one.value, ()) for at, one in enumerate(raw)]
    started_s = process_time()
    for start in range(0, events, _CHUNK):
        partition.pipeline.run(records[start : start + _CHUNK], forwarded=False)
        if start // _BARRIER != (start + _CHUNK) // _BARRIER:
            written = len(partition.take_checkpoint()[1])
            content.commit(range(position, position + written))
            position += written
    return process_time() - started_s


def main() -> None:
    """Measure each store."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state_stores", description=__doc__)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=20_000)
    options = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for store in STORES:
            print(json.dumps(pool.apply(measure, (store, options.users, options.events))), flush=True)


if __name__ == "__main__":
    main()
