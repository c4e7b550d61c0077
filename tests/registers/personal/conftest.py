"""The register of owners of the start state."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicekit.database import Database
from services.registers.personal import start_state
from services.registers.personal.vault import PersonalVault
from tests.registers.conftest import LOG_KEY, Caller
from tests.registers.personal.owners import PEOPLE, Owners
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer


@pytest.fixture
def owners(stored: Caller) -> Owners:
    """The register of owners of the start state, on each engine."""
    return _with_owners(stored)


@pytest.fixture
def ours(registers: Caller) -> Owners:
    """The same on SQLite, for what does not depend on the engine."""
    return _with_owners(registers)


@pytest.fixture(scope="module")
def still(seeded_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owners]:
    """One for all tests that change nothing."""
    path = shutil.copy(seeded_file, tmp_path_factory.mktemp("owners") / "registers.db")
    database = Database(f"sqlite:///{path}")
    yield _with_owners(Caller(database, FakeIssuer(), FakeClock()))
    database.dispose()


def _with_owners(caller: Caller) -> Owners:
    with caller.database.transaction() as session:
        start_state.load(session, PersonalVault(LOG_KEY), PEOPLE)
    return Owners(caller)
