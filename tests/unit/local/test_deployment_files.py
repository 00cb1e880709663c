"""The container files agree with the code: versions, settings, ports, files that are copied."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.promtool import promtool
from ubi_stream.local.jars import read_lock
from ubi_stream.local.postgres import server_programs
from ubi_stream.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def load(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / name).read_text())
    assert isinstance(loaded, dict)
    return loaded


COMPOSE = load("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def settings_of(service: str) -> dict[str, str]:
    """The service's environment with `${NAME:-default}` as its default."""
    environment = SERVICES[service]["environment"]
    return {key: re.sub(r"\$\{\w+:-(\w*)\}", r"\1", str(value)) for key, value in environment.items()}


def test_the_embedded_kafka_and_the_containers_are_of_one_version() -> None:
    embedded = {jar.version for jar in read_lock() if jar.group == "org.apache.kafka"}
    assert {SERVICES["kafka"]["image"]} == {f"apache/kafka:{version}" for version in embedded}


def test_the_embedded_postgres_and_the_container_are_of_one_version() -> None:
    done = subprocess.run([server_programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    assert SERVICES["postgres"]["image"] == f"postgres:{done.stdout.split()[-1]}"


@pytest.mark.parametrize("service", ["init", "worker"])
def test_our_containers_have_valid_settings(service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = settings_of(service)
    assert {name.removeprefix("UBI_").lower() for name in environment} <= Settings.model_fields.keys()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # away from a .env file
    settings = Settings()
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"INTERNAL://{settings.broker}" in advertised
    database = settings_of("postgres")
    assert settings.postgres_dsn.get_secret_value() == (
        f"postgresql://{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}@postgres:5432/{database['POSTGRES_DB']}"
    )


def test_a_worker_starts_only_when_servers_topics_and_tables_are_there() -> None:
    assert SERVICES["worker"]["depends_on"]["init"] == {"condition": "service_completed_successfully"}
    for server in ("kafka", "postgres"):
        assert SERVICES["init"]["depends_on"][server] == {"condition": "service_healthy"}
        assert SERVICES[server]["healthcheck"]["test"][0] == "CMD"


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    (source,) = load("config/grafana/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = load("config/grafana/dashboards/ubi.yml")["providers"]
    assert f"./config/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert "./config/grafana:/etc/grafana/provisioning:ro" in SERVICES["grafana"]["volumes"]
    owner_partition = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(owner_partition.parent) == provider["options"]["path"]
    assert (ROOT / "config" / "dashboards" / owner_partition.name).is_file()


def _run_command(service: str, folder: Path, environment: dict[str, str]) -> str:
    """What the service's shell command prints, where `ubi` prints its argument and the key that it was given."""
    (script,) = SERVICES[service]["command"]
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "ubi").write_text('#!/bin/sh\necho "$1 $UBI_SNAPSHOT_KEY"\n')
    (programs / "ubi").chmod(0o755)
    done = subprocess.run(
        [*SERVICES[service]["entrypoint"], script.replace("$$", "$").replace("/var/lib/ubi", str(folder))],
        env=environment | {"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_key_of_snapshots_survives_restarts_and_is_nobody_elses(tmp_path: Path) -> None:
    assert SERVICES["init"]["volumes"] == ["ubi-secrets:/var/lib/ubi"]
    assert SERVICES["worker"]["volumes"] == ["ubi-secrets:/var/lib/ubi:ro"]
    empty = {"UBI_SNAPSHOT_KEY": settings_of("worker")["UBI_SNAPSHOT_KEY"]}
    keys = []
    for _ in range(2):
        assert _run_command("init", tmp_path, empty).split() == ["topics", "migrate"]
        command, key = _run_command("worker", tmp_path, empty).split()
        assert command == "worker"
        keys.append(key)
    assert keys[0] == keys[1]
    assert len(keys[0]) > 40
    assert (tmp_path / "snapshot-key").stat().st_mode & 0o077 == 0
    assert _run_command("worker", tmp_path, {"UBI_SNAPSHOT_KEY": "mine"}).split() == ["worker", "mine"]


def test_the_demo_profile_sends_events() -> None:
    senders = [service for service in SERVICES.values() if service.get("profiles") == ["demo"]]
    assert [service["command"][0] for service in senders] == ["generate"]


def test_images_are_of_one_version_each_for_ever() -> None:
    local = {service["image"] for service in SERVICES.values() if "build" in service}
    images = [service["image"] for service in SERVICES.values() if service["image"] not in local]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert images
    assert [image for image in images if not re.search(r":v?\d+\.\d+(\.\d+)?(-|$)|@sha256:", image)] == []


def test_prometheus_accepts_its_configuration() -> None:
    file = ROOT / "config" / "prometheus" / "prometheus.yml"
    done = subprocess.run([promtool(), "check", "config", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_reachable_from_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_data_outlives_the_containers() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert set(COMPOSE["volumes"]) <= used


def test_the_views_are_on_the_port_that_is_published_checked_and_scraped() -> None:
    port = Settings.model_fields["web_port"].default
    assert f"EXPOSE {port}\n" in DOCKERFILE
    assert f"http://127.0.0.1:{port}/health/live" in DOCKERFILE
    (published,) = SERVICES["worker"]["ports"]
    _, host_ports, container_port = published.split(":")
    first, last = map(int, host_ports.split("-"))
    assert (first, container_port) == (port, str(port))
    assert last - first + 1 >= 2 * int(settings_of("worker")["UBI_PARTITIONS"]), (
        "one for each partition, at an update too"
    )
    (job,) = load("config/prometheus/prometheus.yml")["scrape_configs"]
    (found_by,) = job["dns_sd_configs"]
    assert (found_by["names"], found_by["port"]) == (["worker"], port)


def test_the_image_has_a_python_that_the_package_accepts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = set(re.findall(r"^FROM python:(3\.\d+)\.\d+-slim", DOCKERFILE, flags=re.MULTILINE))
    assert versions == {project["requires-python"].removeprefix(">=")}


def test_what_the_image_copies_is_let_through_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE)
    assert {name for line in copies for name in line.split()} == let_through
    assert "*" in ignored


LOCKS = tuple(path.name for path in sorted(ROOT.glob("requirements*.lock")))


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_pin_by_hash_and_name_no_index(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert pins
    assert all(re.fullmatch(r"[a-z0-9._-]+==\S+( ; .+)? \\", line) for line in pins)
    assert not [line for line in lines if "://" in line or line.startswith("-")]


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements-worker.lock", "requirements-local.lock"])
def test_a_worker_and_the_demo_run_with_the_versions_that_were_tested(name: str) -> None:
    assert _pins(name).items() <= _pins("requirements.lock").items()


def test_every_install_from_a_lock_is_of_the_lock_alone() -> None:
    """Otherwise pip takes an extra that a package asks for as another requirement, once it has a newer release."""
    for file in ("Makefile", "Dockerfile", ".ci/fresh-install", "CONTRIBUTING.md"):
        text = (ROOT / file).read_text().replace("\\\n", " ")
        installs = re.findall(r"^.*--require-hashes.*$", text, flags=re.MULTILINE)
        assert installs, file
        assert all("--no-deps" in line for line in installs), file


def test_contestants_of_the_race_run_the_core_on_the_same_versions() -> None:
    local, theirs = _pins("requirements-worker.lock"), _pins("requirements-bench.lock")
    for name in ("numpy", "river", "msgspec", "orjson", "aiokafka"):
        assert theirs[name] == local[name]
    assert not {"quixstreams", "bytewax"} & local.keys()
