"""A real Postgres of our own: a fresh cluster in a temporary folder, on loopback, run by an
ordinary user, since Postgres refuses to be run by root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INSTALL = "install it: .ci/postgres"
OPTIONS = {
    "fsync": "off",  # the machine does not lose power during a test
    "max_connections": "200",
    "shared_buffers": "16MB",
    "listen_addresses": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server."""

    port: int
    programs: Path
    user: str

    def url(self, database: str) -> str:
        """Where a journal would find this database."""
        return f"postgresql+psycopg://{self.user}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database; its URL."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user]
        subprocess.run([str(self.programs / "createdb"), *where, database], check=True)
        return self.url(database)


@contextlib.contextmanager
def serve_postgres() -> Iterator[Postgres]:
    """Start a cluster, and end it with its files."""
    programs, user = _programs(), _user()
    with tempfile.TemporaryDirectory(prefix="quaestor-pg-") as folder:
        shutil.chown(folder, user)
        place = Path(folder) / "cluster"
        setup = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", user]
        _run([str(programs / "initdb"), "-D", str(place), *setup], user)
        port = _free_port()
        options = [f"-c{name}={value}" for name, value in OPTIONS.items()]
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(place), "-p", str(port), "-k", folder, *options],
            user=_other(user),
            group=_group(user),
            extra_groups=[] if _other(user) else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        try:
            _wait(programs, port, user, server)
            yield Postgres(port, programs, user)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(5)
            server.kill()
            server.wait()


def _programs() -> Path:
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    assert found, f"there is no Postgres here; {INSTALL}"
    return Path(found).resolve().parent


def _user() -> str:
    """Ourselves, unless we are root."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid()).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _other(user: str) -> str | None:
    return None if os.geteuid() else user


def _group(user: str) -> int | None:
    return None if os.geteuid() else pwd.getpwnam(user).pw_gid


def _run(command: list[str], user: str) -> None:
    subprocess.run(
        command,
        user=_other(user),
        group=_group(user),
        extra_groups=[] if _other(user) else None,
        stdout=subprocess.DEVNULL,
        cwd="/",
        check=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(programs: Path, port: int, user: str, server: subprocess.Popen[bytes]) -> None:
    ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-U", user, "-q"]
    until = time.monotonic() + 60
    while subprocess.run(ready, check=False).returncode:
        assert server.poll() is None, "Postgres ended at once"
        assert time.monotonic() < until, "Postgres does not answer"
        time.sleep(0.1)
