"""Numbered migrations (Alembic, configured in code) and the start state of a new database."""

import importlib
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, func, select

from servicekit.database import Database, empty
from servicekit.settings import ServiceSettings

PREPARING = 0x61746F6C6C  # an advisory lock of PostgreSQL: one number for this purpose


def upgrade(package: str, database: Database) -> None:
    """Apply the migrations in ``<package>/migrations`` that are missing, in one transaction."""
    with database.engine.begin() as connection:
        _wait_for_others(connection)
        config = _config(package)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def differences(package: str, database: Database) -> list[Any]:
    """Return what Alembic would still change to make the database match the package's tables."""
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata_of(package)))


def load_start_state(package: str, settings: ServiceSettings, database: Database) -> None:
    """Fill an empty database from the package's seed; leave any other as it is."""
    start_state = importlib.import_module(f"{package}.start_state")
    with database.transaction() as session:
        _wait_for_others(session.connection())
        if start_state.is_empty(session):
            start_state.load(session, settings)


def reset(package: str, settings: ServiceSettings, database: Database) -> None:
    """Put the start state back, in one transaction that nobody sees half done."""
    start_state = importlib.import_module(f"{package}.start_state")
    with database.transaction() as session:
        empty(session, metadata_of(package))
        start_state.load(session, settings)


def _wait_for_others(connection: Connection) -> None:
    """Let several instances that start at once prepare their one database in turn, not together."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(PREPARING)))


def metadata_of(package: str) -> MetaData:
    """Return the tables of a package: ``<package>.storage.metadata``."""
    metadata = importlib.import_module(f"{package}.storage").metadata
    assert isinstance(metadata, MetaData)  # noqa: S101 (a programming error, not input)
    return metadata


def _config(package: str) -> Config:
    folder = Path(str(importlib.import_module(package).__file__)).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("version_locations", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
