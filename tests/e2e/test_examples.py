"""The examples of docs/examples: a worker takes the events of each producer, from the partition of their user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.jars import kafka_classpath
from ubi_stream.local.ports import free_port

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PREFIX = "examples"
Build = Callable[[Path], list[str]]
Ubi = Callable[..., RunningUbi]


def python_client(folder: Path) -> list[str]:
    return [sys.executable, str(EXAMPLES / "python" / "aiokafka_producer.py")]


def python_confluent(folder: Path) -> list[str]:
    [library] = [line for line in (EXAMPLES / "python" / "requirements.txt").read_text().split() if "confluent" in line]
    run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--no-compile",
         "--only-binary=:all:", "--target", str(folder), library])  # fmt: skip
    start = f"import sys, runpy; sys.path.insert(0, {str(folder)!r}); runpy.run_path(sys.argv.pop(1))"
    return [sys.executable, "-c", start, str(EXAMPLES / "python" / "confluent_producer.py")]


def node(folder: Path) -> list[str]:
    project = shutil.copytree(EXAMPLES / "node", folder / "node", ignore=shutil.ignore_patterns("node_modules"))
    run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", str(project)])
    return ["node", str(project / "producer.js")]


def golang(folder: Path) -> list[str]:
    # Not optimised: a program that runs once is there in half the time.
    run(["go", "build", "-gcflags=all=-N -l", "-o", str(folder / "producer"), "."], cwd=EXAMPLES / "go")
    return [str(folder / "producer")]


def java(folder: Path) -> list[str]:
    jars = os.pathsep.join(map(str, kafka_classpath()))
    # A program of a second: the cheap compiler, and no sharing of classes.
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", jars, str(EXAMPLES / "java" / "Producer.java")]


# What must be on the machine, and how the example is made ready. `javac`: a Java without it runs no source file.
PRODUCERS: Mapping[str, tuple[tuple[str, ...], Build]] = {
    "python-aiokafka": ((), python_client),
    "python-confluent": ((), python_confluent),
    "node": (("node", "npm"), node),
    "go": (("go",), golang),
    "java": (("java", "javac"), java),
}


def run(command: list[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Standard output of a program that must end well; of our settings it has these alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UBI_")}
    done = subprocess.run(
        command, cwd=cwd, env=inherited | dict(environment or {}), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")


@pytest.fixture(scope="module")
def environment(kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> dict[str, str]:
    """Settings of this module's worker and of the producers."""
    return {
        "UBI_BROKER": kafka.bootstrap,
        "UBI_POSTGRES_DSN": postgres.dsn_for(PREFIX),
        "UBI_APP_ID": PREFIX,
        "UBI_TOPIC_PREFIX": PREFIX,
        "UBI_EVENTS_TOPIC_NAME": f"{PREFIX}.events",
        "UBI_PARTITIONS": "4",
        "UBI_WEB_PORT": str(free_port()),
    }


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the views of a worker that runs while this module's tests do."""
    worker = RunningUbi(tmp_path_factory.mktemp("worker"), ["worker"], environment)
    yield f"http://127.0.0.1:{environment['UBI_WEB_PORT']}"
    worker.signal(signal.SIGTERM)
    worker.wait(30)


def get(url: str) -> Any:
    """JSON of a GET; None while nothing answers, or where there is no such thing."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)
    except HTTPError as error:
        error.close()
        return None
    except OSError:
        return None


@pytest.fixture
async def ready(address: str) -> str:
    await eventually(lambda: get(f"{address}/health/ready"), 60, "the worker is ready")
    return address


def sent_on(address: str) -> float:
    """How many events the worker has sent on to the partition of their user."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    [moved] = [line for line in lines if line.startswith("ubi_events_total") and 'outcome="moved"' in line]
    return float(moved.rpartition(" ")[2])


@pytest.mark.timeout(400)  # the first time, Go compiles a client and its own library
@pytest.mark.parametrize("language", PRODUCERS)
async def test_a_worker_takes_what_an_example_sends(
    language: str, ready: str, environment: dict[str, str], tmp_path: Path
) -> None:
    programs, build = PRODUCERS[language]
    need(*programs)
    command = build(tmp_path)
    # Of three users, one at least is elsewhere with another partitioner.
    users = [f"{language}-{number}" for number in range(3)]
    before = sent_on(ready)
    for user_id in users:
        run([*command, user_id], environment)
    for user_id in users:
        profile = await eventually(lambda: get(f"{ready}/api/v1/users/{user_id}"), 30, user_id)  # noqa: B023
        assert profile["windows"]["24h"]["by_type"] == {"view": 1, "cart": 1, "purchase": 1}
        assert profile["windows"]["24h"]["amount"] == pytest.approx(59.9)
        assert profile["counters"]["events"] == profile["latest_session"]["events"] == 3
    assert sent_on(ready) == before


async def test_curl_reads_insights_and_gives_a_label(ready: str, environment: dict[str, str], ubi: Ubi) -> None:
    need("sh", "curl")
    made = ubi("generate", "--persona", "bot", "--user", "curl-1", **environment)
    assert made.process.returncode == 0, made.err
    insights = f"{ready}/api/v1/users/curl-1/insights"
    [insight, *_] = await eventually(lambda: (get(insights) or {"insights": []})["insights"], 60, "an insight")

    newest, profile, about = run(["sh", str(EXAMPLES / "curl" / "read.sh"), ready, "curl-1"]).splitlines()
    assert json.loads(newest)["insights"]
    assert json.loads(profile)["id"] == "curl-1"
    assert insight["id"] in {one["id"] for one in json.loads(about)["insights"]}

    label = ["sh", str(EXAMPLES / "curl" / "label.sh"), "curl-1", insight["id"], "false_positive", ready]
    first, second = (json.loads(run(label)) for _ in range(2))
    assert first["event_id"] == second["event_id"]  # the same label: it has a key
    assert (insight["kind"], first["status"]) == ("risk", "unknown_insight")  # no model tells a risk: nobody learns
