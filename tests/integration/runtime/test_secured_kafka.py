"""A worker on a broker that wants a name and a password, by settings alone."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.kafka.client import client_options, connect_admin
from ubi_stream.kafka.outbox import KafkaOutbox
from ubi_stream.kafka.topic_identity import read_epoch
from ubi_stream.local import EmbeddedKafka
from ubi_stream.local.ports import free_port
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ubi_stream.local.service import LocalService


class SecuredKafka(EmbeddedKafka):
    """The embedded broker with a second listener, for those who log in."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.secured_port = free_port()

    def _properties(self) -> str:
        plain = super()._properties()
        secured = f"SASL_PLAINTEXT://127.0.0.1:{self.secured_port}"
        lines = [
            f"{line},{secured}" if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in plain.splitlines()
        ]
        login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_ubi="secret";'
        lines += [
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms=PLAIN",
            f"listener.name.sasl_plaintext.plain.sasl.jaas.config={login}",
        ]
        return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def secured_kafka(tmp_path: Path, session_servers: list[LocalService]) -> Iterator[SecuredKafka]:
    server = SecuredKafka(tmp_path / "secured")
    session_servers.append(server)
    with server:
        yield server


def settings_for(server: SecuredKafka, password: str, prefix: str) -> Settings:
    return Settings(
        broker=f"127.0.0.1:{server.secured_port}",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="ubi",
        sasl_password=SecretStr(password),
        app_id=prefix,
        topic_prefix=prefix,
        startup_timeout_s=3,
    )


async def test_topics_are_made_and_written_under_a_login(secured_kafka: SecuredKafka, topic_prefix: str) -> None:
    settings = settings_for(secured_kafka, "secret", topic_prefix)
    admin = await connect_admin(settings, SystemClock())
    try:
        report = await ensure_topics(admin, settings, load_pack("ecommerce"))
        assert settings.events_topic in report.created
        assert await read_epoch(admin, settings.events_topic) > 0
    finally:
        await admin.close()
    outbox = KafkaOutbox(client_options(settings), timeout_s=10)
    await outbox.start()
    try:
        sent = await outbox.send(settings.events_topic, b"u1", b"{}")
        assert (await sent).offset == 0
    finally:
        await outbox.stop()


async def test_a_wrong_password_is_a_sentence(secured_kafka: SecuredKafka, topic_prefix: str) -> None:
    with pytest.raises(BrokerUnavailableError):
        await connect_admin(settings_for(secured_kafka, "wrong", topic_prefix), SystemClock())


async def test_a_worker_runs_under_a_login(
    secured_kafka: SecuredKafka, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        "UBI_BROKER": f"127.0.0.1:{secured_kafka.secured_port}",
        "UBI_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "UBI_SASL_MECHANISM": "PLAIN",
        "UBI_SASL_USERNAME": "ubi",
        "UBI_SASL_PASSWORD": "secret",
        "UBI_POSTGRES_DSN": database,
        "UBI_APP_ID": topic_prefix,
        "UBI_TOPIC_PREFIX": topic_prefix,
        "UBI_WEB_PORT": str(port),
    }
    worker = RunningUbi(tmp_path, ["worker"], environment)
    try:
        await eventually(lambda: is_ready(port), 60, "the worker is ready")
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0, worker.err
    finally:
        worker.kill()


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
