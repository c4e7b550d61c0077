"""Writes the secret files of a new platform, once; what exists is never overwritten."""

import secrets
from pathlib import Path

from atoll import home, start_state
from atoll.components import DATABASES
from atoll.exits import Stop

COMPLETE = "complete"


def is_done(place: home.Home) -> bool:
    """Whether this home has all its secrets."""
    return _is_complete(place) and not _missing(place)


def _is_complete(place: home.Home) -> bool:
    return (place.secrets / "operator" / COMPLETE).is_file()


def _missing(place: home.Home) -> list[tuple[str, str]]:
    """Return the secrets that a platform made by an earlier version does not have yet."""
    return [
        (folder, name)
        for folder, name in start_state.LATER
        if not (place.secrets / folder / name).is_file()
    ]


def run(place: home.Home, postgres: str | None = None) -> bool:
    """Make keys, passwords and the start state; return whether anything was made.

    postgres: the host of a PostgreSQL server; then its roles and passwords are written too, to
    ``secrets/postgres``. Without it every service gets a SQLite file under ``data``.
    """
    if is_done(place):
        return False
    if _is_complete(place):
        with home.said_plainly(place.folder):
            for folder, name in _missing(place):
                home.write(
                    place.secrets / folder / name, start_state.LATER[folder, name]().encode()
                )
        return True
    if any(place.data.glob("*.db")):
        raise Stop(
            f"{place.folder} holds databases but not all of their keys. Restore "
            f"{place.secrets}, or move {place.folder} away to begin anew."
        )
    with home.said_plainly(place.folder):
        if postgres:
            passwords = {name: secrets.token_hex(24) for name in DATABASES}
            urls = {
                name: f"postgresql+psycopg://{name}:{passwords[name]}@{postgres}/{name}"
                for name in DATABASES
            }
            _write_folder(
                place.secrets / "postgres",
                {"10-atoll.sql": _roles(passwords), "superuser-password": secrets.token_hex(24)},
                # the server runs as its own user; only its container mounts this folder
                file_mode=0o644,
                folder_mode=0o755,
            )
        else:
            urls = {name: f"sqlite:///{place.data / f'{name}.db'}" for name in DATABASES}
        for folder, files in start_state.make(urls).items():
            _write_folder(place.secrets / folder, files)
        # written last: a start that was cut short before this line begins again from nothing
        home.write(place.secrets / "operator" / COMPLETE, b"")
    return True


def _write_folder(
    folder: Path, files: dict[str, str], file_mode: int = 0o600, folder_mode: int = 0o700
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(folder_mode)
    for name, content in files.items():
        home.write(folder / name, content.encode(), file_mode)


def _roles(passwords: dict[str, str]) -> str:
    lines = ["-- Made by `atoll setup`: one role and one database for each service."]
    for name, password in passwords.items():
        verifier = start_state.scram_verifier(password)
        lines += [
            f"CREATE ROLE {name} LOGIN PASSWORD '{verifier}';",
            f"CREATE DATABASE {name} OWNER {name};",
            f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC;",
        ]
    lines.append("REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;")
    return "\n".join(lines) + "\n"
