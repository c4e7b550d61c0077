"""An empty registers database, migrated once for each engine and then copied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from servicekit import migrate
from servicekit.database import Database
from tests.registers.conftest import PACKAGE, copy_of
from tests.support import postgres


@pytest.fixture(scope="session")
def bare_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registers") / "bare.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(PACKAGE, database)
    database.dispose()
    return path


@pytest.fixture(scope="session")
def bare_postgres(postgres_server: str) -> Iterator[tuple[str, str]]:
    with postgres.empty_database(postgres_server) as url:
        database = Database(url)
        migrate.upgrade(PACKAGE, database)
        database.dispose()
        yield postgres_server, str(make_url(url).database)


@pytest.fixture
def bare(bare_file: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database beside the other one, to compare with."""
    database = Database(f"sqlite:///{shutil.copy(bare_file, tmp_path / 'bare.db')}")
    yield database
    database.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def migrated(request: pytest.FixtureRequest, bare_file: Path, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{shutil.copy(bare_file, tmp_path / 'registers.db')}")
        yield database
        database.dispose()
        return
    with copy_of(*request.getfixturevalue("bare_postgres")) as url:
        database = Database(url)
        yield database
        database.dispose()
