"""Migrations and the start state, on a small package made for the test."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from servicekit import migrate
from servicekit.database import Database
from servicekit.pending import is_current
from servicekit.settings import ServiceSettings
from tests.conftest import GATEWAY_KEY

FILES = {
    "__init__.py": "",
    "storage.py": """
from sqlalchemy import Column, Integer, MetaData, String, Table
metadata = MetaData()
thing = Table("thing", metadata, Column("id", Integer, primary_key=True), Column("name", String))
""",
    "start_state.py": """
from sqlalchemy import select, func
from smallservice.storage import thing
def is_empty(session):
    return session.execute(select(func.count()).select_from(thing)).scalar_one() == 0
def load(session, settings):
    session.execute(thing.insert(), [{"name": "first"}, {"name": "second"}])
""",
    "settings.py": "from servicekit.settings import ServiceSettings as Settings\n",
    "migrations/0001_start.py": """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.create_table("thing", sa.Column("id", sa.Integer, primary_key=True))
""",
    "migrations/0002_name.py": """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("thing", sa.Column("name", sa.String))
""",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, content in FILES.items():
        file = tmp_path / "smallservice" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    yield "smallservice"
    for name in [name for name in sys.modules if name.startswith("smallservice")]:
        del sys.modules[name]


SETTINGS = ServiceSettings(database_url="sqlite://", gateway_key=GATEWAY_KEY)


def names(database: Database) -> list[str]:
    with database.snapshot() as session:
        return list(session.execute(text("SELECT name FROM thing ORDER BY id")).scalars())


def test_an_empty_database_reaches_the_models_and_gets_its_start_state(
    package: str, database: Database
) -> None:
    for _ in range(2):  # the second time changes nothing
        migrate.upgrade(package, database)
        migrate.load_start_state(package, SETTINGS, database)
    assert migrate.differences(package, database) == []
    assert names(database) == ["first", "second"]


def test_a_reset_puts_the_start_state_back(package: str, database: Database) -> None:
    migrate.upgrade(package, database)
    with database.transaction() as session:
        session.execute(text("INSERT INTO thing (name) VALUES ('mine')"))
    migrate.load_start_state(package, SETTINGS, database)
    assert names(database) == ["mine"]
    migrate.reset(package, SETTINGS, database)
    assert names(database) == ["first", "second"]


def test_a_column_that_no_migration_makes_is_noticed(package: str, database: Database) -> None:
    migrate.upgrade(package, database)
    with database.transaction() as session:
        session.execute(text("ALTER TABLE thing DROP COLUMN name"))
    assert migrate.differences(package, database) != []


def test_only_a_database_at_the_newest_migration_is_current(
    package: str, sqlite: Database, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    assert not is_current(package, url)
    migrate.upgrade(package, sqlite)
    assert is_current(package, url)
    (tmp_path / "smallservice" / "migrations" / "0003_more.py").write_text("")
    assert not is_current(package, url)
    assert not is_current(package, "postgresql+psycopg://somewhere/x")
    (tmp_path / "x.db").write_bytes(b"no database at all, however long it may be" * 100)
    assert not is_current(package, f"sqlite:///{tmp_path / 'x.db'}")


def test_a_service_says_all_that_is_wrong_with_its_settings_and_stops(
    package: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "servicekit.serve", package, "--port", "9"],
        env={"PYTHONPATH": str(tmp_path), "ATOLL_PUBLIC_URL": "ftp://x"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 78
    assert "SMALLSERVICE_DATABASE_URL is required" in done.stderr
    assert "SMALLSERVICE_GATEWAY_KEY is required" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_opened_is_one_sentence(package: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "servicekit.migrate", package],
        env={
            "PYTHONPATH": str(tmp_path),
            "SMALLSERVICE_DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder/x.db",
            "SMALLSERVICE_GATEWAY_KEY": GATEWAY_KEY,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("smallservice cannot prepare its database: ")
    assert "Traceback" not in done.stderr
