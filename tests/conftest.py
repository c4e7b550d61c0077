"""What every test can ask for: an empty database on each engine, a fake issuer, a fake clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import Database
from tests.support import postgres
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer
from tests.support.platform import running_platform  # noqa: F401 (one for all tests of a run)

GATEWAY_KEY = "k" * 64


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL cluster of this run, or a skip that says how to get one."""
    if postgres.programs() is None:
        pytest.skip(postgres.HOW_TO_ENABLE)
    with postgres.cluster() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database; a test that asks for it runs once on each engine."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'test.db'}")
        yield database
        database.dispose()
        return
    with postgres.empty_database(request.getfixturevalue("postgres_server")) as url:
        database = Database(url)
        yield database
        database.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database, for tests whose subject is not the storage."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    yield database
    database.dispose()


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
