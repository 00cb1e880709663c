"""The server that runs the views beside the stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.web_worker import MemoryWorker
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.settings import Settings
from ubi_stream.web.app import create_web
from ubi_stream.web.security.setup import client_tls, server_tls
from ubi_stream.web.server import WebServer


def server(host: str = "127.0.0.1", port: int = 0, **options: Any) -> WebServer:
    worker = MemoryWorker()
    return WebServer(create_web(worker, None, Metrics(worker.pack), SystemClock()), host=host, port=port, **options)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_serves_on_a_free_port_until_stopped(host: str) -> None:
    views = server(host)
    await views.start()
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{views.url}/health/live") as response:
            assert response.status == 200
    finally:
        url = views.url
        await views.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/health/live")


async def test_stopping_twice_or_before_the_start_is_fine() -> None:
    views = server()
    await views.stop()
    await views.start()
    await views.stop()
    await views.stop()


async def test_a_port_that_is_taken_is_a_sentence_that_says_what_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1:{port}: another program .*UBI_WEB_PORT"):
            await server(port=port).start()


async def opened(views: WebServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = urlsplit(views.url).port
    assert port is not None
    return await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: y"], ids=["silent", "half a header"])
async def test_a_connection_whose_request_does_not_come_is_closed(sent: bytes) -> None:
    views = server(first_request_s=0.05)
    await views.start()
    try:
        reader, writer = await opened(views)
        writer.write(sent)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
        writer.close()
    finally:
        await views.stop()


async def test_a_connection_that_has_asked_is_kept() -> None:
    views = server(first_request_s=0.05)
    await views.start()
    try:
        reader, writer = await opened(views)
        for _ in range(2):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(b'{"status":"alive"}'))
            await asyncio.sleep(0.1)
        writer.close()
    finally:
        await views.stop()


async def test_connections_are_bounded() -> None:
    views = server(most=2)
    await views.start()
    try:
        held = [await opened(views) for _ in range(2)]
        await asyncio.sleep(0)
        reader, writer = await opened(views)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        for _, one in [*held, (reader, writer)]:
            one.close()
    finally:
        await views.stop()


async def test_views_are_served_by_tls_and_other_workers_check_the_certificate(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    settings = Settings(_env_file=None, web_tls_cert_file=certificate, web_tls_ca_file=certificate)
    views = server(tls=server_tls(settings))
    await views.start()
    try:
        assert views.url.startswith("https://")
        url = f"{views.url}/health/live"
        async with aiohttp.ClientSession() as session:
            async with session.get(url, ssl=client_tls(settings) or True) as response:
                assert response.status == 200
                assert response.headers["Strict-Transport-Security"].startswith("max-age=")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(url)
    finally:
        await views.stop()


def test_a_certificate_that_cant_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="UBI_WEB_TLS_CERT_FILE"):
        server_tls(Settings(_env_file=None, web_tls_cert_file=tmp_path / "none.pem"))


def self_signed(folder: Path) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ubi-stream test")])
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "views.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return file


async def test_a_header_without_end_is_refused() -> None:
    views = server()
    await views.start()
    try:
        headers = {"X-Long": "x" * 20_000}
        async with aiohttp.ClientSession() as session, session.get(f"{views.url}/", headers=headers) as response:
            assert response.status == 400
            assert ".py" not in await response.text()
    finally:
        await views.stop()
