"""Apache Kafka's jars: downloaded once, checked by SHA-256, kept in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ubi_stream.errors import LocalServiceError
from ubi_stream.resources import config_dir

_TRIES = 3
_PAUSE_S = 1.0
_TIMEOUT_S = 30  # without a byte; the largest jar has 7 MB


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock file: a Maven coordinate and the SHA-256 (hex) of the jar it must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the jar in the cache."""
        return f"{self.artifact}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


Fetch = Callable[[Jar, Path], Path]
"""Downloads a jar somewhere below an empty folder and returns its path."""


def read_lock(path: Path | None = None) -> tuple[Jar, ...]:
    """Return the jars of a lock file (`group:artifact:version sha256` a line, `#` comments).

    Parameters
    ----------
    path
        Default: the shipped `config/kafka-jars.lock`.

    Raises
    ------
    LocalServiceError
        A line has another form.
    """
    path = path or config_dir() / "kafka-jars.lock"
    jars = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            coordinate, sha256 = line.split()
            group, artifact, version = coordinate.split(":")
        except ValueError as error:
            raise LocalServiceError(f"{path}, line {number}: not 'group:artifact:version sha256': {line!r}") from error
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def cache_dir() -> Path:
    """Folder of downloaded jars: in `UBI_CACHE_DIR` if set, else where the platform keeps caches."""
    root = os.environ.get("UBI_CACHE_DIR") or platformdirs.user_cache_dir("ubi-stream")
    return Path(root).absolute() / "jars"


def kafka_classpath(
    jars: Sequence[Jar] | None = None, *, cache: Path | None = None, fetch: Fetch | None = None
) -> tuple[Path, ...]:
    """Return the paths of all jars, downloading what the cache lacks, with a progress bar on a terminal.

    Every jar is checked on every call (43 MB: 0.05 s), so a damaged cache repairs itself. Without missing jars it needs
    no network. Processes that call it at the same time wait for each other.

    Parameters
    ----------
    jars
        Default: the shipped lock file's.
    cache
        Folder of the jars; default `cache_dir()`.
    fetch
        How to download; default from the Maven repositories that jgo is configured for.

    Raises
    ------
    LocalServiceError
        A jar can't be downloaded, or isn't the one that the lock file names.
    """
    jars = read_lock() if jars is None else jars
    cache = cache or cache_dir()
    if any(not _is_intact(cache, jar) for jar in jars):
        _download_missing(jars, cache, fetch or _fetch_from_maven)
    return tuple(cache / jar.file_name for jar in jars)


def _download_missing(jars: Sequence[Jar], cache: Path, fetch: Fetch) -> None:
    with _locked(cache):
        missing = [jar for jar in jars if not _is_intact(cache, jar)]  # another process may have been faster
        console = Console(stderr=True)
        columns = (TextColumn("Downloading Kafka"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
            for jar in progress.track(missing):
                _download(jar, cache, fetch)


def _download(jar: Jar, cache: Path, fetch: Fetch) -> None:
    # In the cache's own file system, so that the rename is atomic: a jar is either there and whole, or not there.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".download-") as folder:
        path = fetch(jar, Path(folder))
        if (found := _sha256(path)) != jar.sha256:
            raise LocalServiceError(
                f"{jar} was refused: its SHA-256 is {found}, but the lock file says {jar.sha256}. "
                "Somebody changed the download, or the lock file is out of date"
            )
        path.replace(cache / jar.file_name)


def _fetch_from_maven(jar: Jar, folder: Path) -> Path:
    """Download one artifact, without jgo's resolver, which loses half of Kafka's dependencies."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - takes 0.3 s to import, and is needed once in a machine's life
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415 - as above
    from jgo.maven import MavenContext  # noqa: PLC0415 - as above

    # Behind a mirror: `central = URL` under [repositories] of jgo's own configuration file.
    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    for attempt in range(1, _TRIES + 1):
        context = MavenContext(repo_cache=folder / str(attempt), remote_repos=repositories, timeout=_TIMEOUT_S)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            return Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; "not found" is a RuntimeError
            if attempt == _TRIES:
                raise LocalServiceError(
                    f"{jar} can't be downloaded: {error}. Kafka needs the network once; afterwards it starts offline"
                ) from error
            time.sleep(_PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def _is_intact(cache: Path, jar: Jar) -> bool:
    path = cache / jar.file_name
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases it even when we are killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise LocalServiceError(f"the cache folder {folder} can't be used: {error}") from error
