"""Runs ``python -m servicekit.migrate PACKAGE``: migrate, then fill a new database."""

import importlib
import sys

from sqlalchemy.exc import SQLAlchemyError

from servicekit import log, migrate
from servicekit.database import Database
from servicekit.settings import load


def main(package: str) -> None:
    """Bring the package's database up to date; exit 1 with one plain sentence when that fails."""
    name = package.rpartition(".")[2]
    log.configure(name)
    settings = load(importlib.import_module(f"{package}.settings").Settings, name.upper())
    database = Database(settings.database_url)
    try:
        migrate.upgrade(package, database)
        migrate.load_start_state(package, settings, database)
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        sys.exit(f"{name} cannot prepare its database: {cause}")
    finally:
        database.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
