from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ubi_stream.errors import LocalServiceError
from ubi_stream.local.jars import Jar, cache_dir, kafka_classpath, read_lock


def content(jar: Jar) -> bytes:
    return f"jar {jar}".encode()


def jar(name: str) -> Jar:
    unsigned = Jar("org.example", name, "1.0", "")
    return Jar("org.example", name, "1.0", hashlib.sha256(content(unsigned)).hexdigest())


class Repository:
    """Counts downloads, and serves what it is told to."""

    def __init__(self, damaged: str = "") -> None:
        self.served: list[str] = []
        self._damaged = damaged

    def fetch(self, jar: Jar, folder: Path) -> Path:
        self.served.append(jar.artifact)
        path = folder / "somewhere" / jar.file_name
        path.parent.mkdir()
        path.write_bytes(content(jar) if jar.artifact != self._damaged else b"something else")
        return path


JARS = (jar("one"), jar("two"))


def test_the_shipped_lock_file_names_every_jar_of_the_broker() -> None:
    jars = read_lock()
    assert len(jars) == 46
    assert len({jar.file_name for jar in jars}) == len(jars)
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars)
    assert "org.apache.kafka:kafka_2.13:4.1.1" in map(str, jars)


@pytest.mark.parametrize("line", ["org.example:one:1.0", "org.example:one abc", "a:b:c d e"])
def test_a_malformed_line_of_a_lock_file_is_named(tmp_path: Path, line: str) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(LocalServiceError, match=r"jars\.lock, line 3: .*sha256"):
        read_lock(lock)


def test_the_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UBI_CACHE_DIR", raising=False)
    assert cache_dir().parent.name == "ubi-stream"
    monkeypatch.setenv("UBI_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path / "jars"


def test_jars_are_downloaded_once(tmp_path: Path) -> None:
    repository = Repository()
    first = kafka_classpath(JARS, cache=tmp_path, fetch=repository.fetch)
    second = kafka_classpath(JARS, cache=tmp_path, fetch=repository.fetch)
    assert first == second == (tmp_path / "one-1.0.jar", tmp_path / "two-1.0.jar")
    assert [path.read_bytes() for path in first] == [content(jar) for jar in JARS]
    assert repository.served == ["one", "two"]


def test_a_damaged_jar_in_the_cache_is_replaced(tmp_path: Path) -> None:
    repository = Repository()
    damaged, _ = kafka_classpath(JARS, cache=tmp_path, fetch=repository.fetch)
    damaged.write_bytes(b"half a j")
    kafka_classpath(JARS, cache=tmp_path, fetch=repository.fetch)
    assert damaged.read_bytes() == content(JARS[0])
    assert repository.served == ["one", "two", "one"]


def test_a_jar_with_another_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(LocalServiceError, match=r"org\.example:two:1\.0 was refused: its SHA-256 is [0-9a-f]{64}"):
        kafka_classpath(JARS, cache=tmp_path, fetch=Repository(damaged="two").fetch)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "one-1.0.jar"]


def test_two_at_a_time_download_each_jar_once(tmp_path: Path) -> None:
    repository = Repository()
    both_here = threading.Barrier(2)

    def start() -> tuple[Path, ...]:
        both_here.wait(10)
        return kafka_classpath(JARS, cache=tmp_path, fetch=repository.fetch)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(start), pool.submit(start)
        assert first.result() == second.result()
    assert sorted(repository.served) == ["one", "two"]


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServiceError, match=r"cache folder .*file/jars can't be used"):
        kafka_classpath(JARS, cache=tmp_path / "file" / "jars", fetch=Repository().fetch)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of a Maven repository on this machine, which jgo is configured to use instead of the public one."""
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(QuietHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def test_a_jar_comes_from_a_maven_repository(mirror: Path, tmp_path: Path) -> None:
    wanted = JARS[0]
    folder = mirror / "org" / "example" / "one" / "1.0"
    folder.mkdir(parents=True)
    (folder / wanted.file_name).write_bytes(content(wanted))
    (path,) = kafka_classpath([wanted], cache=tmp_path / "cache")
    assert path.read_bytes() == content(wanted)


def test_a_jar_that_no_repository_has_is_named(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.local.jars._PAUSE_S", 0)
    with pytest.raises(LocalServiceError, match=r"org\.example:one:1\.0 can't be downloaded: .*needs the network once"):
        kafka_classpath([JARS[0]], cache=tmp_path / "cache")
