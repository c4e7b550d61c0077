"""Tells cheaply whether a database is up to date, so that an ordinary start needs no migration."""

import importlib
import sqlite3
from pathlib import Path

_SQLITE = "sqlite:///"


def is_current(package: str, database_url: str) -> bool:
    """Whether a SQLite file is at the newest migration; False for what cannot be told cheaply.

    Migration files are called ``<revision>_<words>.py`` with revisions that sort: 0001, 0002, …
    """
    path = Path(database_url.removeprefix(_SQLITE))
    if not database_url.startswith(_SQLITE) or not path.is_file():
        return False
    folder = Path(str(importlib.import_module(package).__file__)).parent / "migrations"
    newest = max(file.name.partition("_")[0] for file in folder.glob("[0-9]*_*.py"))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        applied = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return applied == [(newest,)]
    except sqlite3.Error:
        return False
    finally:
        connection.close()
