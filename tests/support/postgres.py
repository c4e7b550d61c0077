"""A real PostgreSQL for the tests: one throw-away cluster a run, one empty database a test."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

HOW_TO_ENABLE = "PostgreSQL is not installed; `apt-get install postgresql` enables these tests"


def programs() -> Path | None:
    """Return the folder of initdb and postgres, or None when the machine has none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return folders[-1] if folders else None


@contextlib.contextmanager
def cluster(*, durable: bool = False) -> Iterator[str]:
    """Run a cluster on a Unix socket in a temporary folder; yield its libpq address.

    durable: write through to the disk as in earnest; tests need not.
    """
    bin_folder = programs()
    assert bin_folder is not None
    folder = Path(tempfile.mkdtemp(prefix="atoll-pg-"))
    user: dict[str, int] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("postgres" if _exists("postgres") else "nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid}
    data = folder / "data"
    environ = {"LC_ALL": "C.UTF-8", "PATH": str(bin_folder)}
    run = {"cwd": folder, "env": environ, "check": True, "stdout": subprocess.DEVNULL, **user}
    subprocess.run(
        [
            bin_folder / "initdb",
            "-D",
            data,
            "-U",
            "atoll",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ],
        **run,
    )  # type: ignore[call-overload]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    options += "" if durable else " -c fsync=off"
    subprocess.run(
        [bin_folder / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"],
        **run,
    )  # type: ignore[call-overload]
    try:
        yield f"host={folder} user=atoll"
    finally:
        subprocess.run([bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **run)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@contextlib.contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Create a database of a random name on the cluster; yield its SQLAlchemy address."""
    name = f"t_{secrets.token_hex(8)}"
    host = server.split()[0].removeprefix("host=")
    with psycopg.connect(f"{server} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"postgresql+psycopg://atoll@/{name}?host={host}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
