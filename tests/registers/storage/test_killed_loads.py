"""A process killed at any point of a load leaves the register as it was, or with all of it.

Three points in an ordinary run; ATOLL_SOAK adds many more.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from servicekit.database import Database
from services.registers.storage import abandoned
from services.registers.storage.tables import Head, Register
from tests.registers.storage.loads import (
    assert_whole,
    create,
    everything,
    head_of,
    load,
    towns,
)

ROOT = Path(__file__).parents[3]
SOAK = int(os.environ.get("ATOLL_SOAK", "0"))
# in which transaction of the load the process dies: 1 begins it, then chunks, index, publication
POINTS = range(1, 17) if SOAK else (2, 9, 13)
WITHIN = ("before", "after") if SOAK else ("before",)

LOADER = """
import os, signal, sys
from sqlalchemy import event
from servicekit.database import Database
from services.registers.storage import chunks
from tests.registers.storage.loads import create, load, towns

chunks.CHUNK = 300
database = Database(sys.argv[1])
point, moment = int(sys.argv[3]), sys.argv[4]
commits = 0

def dying(connection):
    global commits
    if connection.get_execution_options().get("atoll_read"):
        return
    commits += 1
    if commits == point and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)

def committed(connection):
    if commits == point and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(database.engine, "commit", dying)
if moment == "after":
    # the next transaction begins: the one before is committed
    event.listen(database.engine, "begin", lambda connection: committed(connection))
commands = [*towns(1, 900, "New"), *towns(1001, 2000)]
(load if sys.argv[2] == "load" else create)(database, commands)
print("published", flush=True)
"""


def run(database: Database, what: str, point: int, moment: str) -> "subprocess.Popen[str]":
    address = database.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", LOADER, address, what, str(point), moment],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.process
@pytest.mark.parametrize("moment", WITHIN)
@pytest.mark.parametrize("point", POINTS)
def test_a_load_that_is_killed_leaves_all_or_nothing(
    migrated: Database, point: int, moment: str
) -> None:
    create(migrated, towns(1, 1000))
    before = everything(migrated)
    loader = run(migrated, "load", point, moment)
    told, _ = loader.communicate()
    if loader.returncode == 0:
        assert told == "published\n"
    else:
        assert loader.returncode == -signal.SIGKILL
    # nobody has cleaned up yet, and what is seen is whole already
    size = head_of(migrated)["size"]
    assert size in (1000, 2900)
    assert size == 2900 or told == ""
    assert_whole(migrated)
    abandoned.discard_all(migrated)  # what a restart does
    assert_whole(migrated)
    if size == 1000:
        assert everything(migrated) == before
        assert load(migrated, [*towns(1, 900, "New"), *towns(1001, 2000)]).size == 2900
        assert_whole(migrated)


@pytest.mark.process
@pytest.mark.parametrize("point", range(1, 14) if SOAK else (6,))
def test_a_register_whose_creation_is_killed_is_not_there(migrated: Database, point: int) -> None:
    before = everything(migrated)
    loader = run(migrated, "create", point, "before")
    loader.communicate()
    if loader.returncode == 0:
        assert_whole(migrated)
        return
    with migrated.snapshot() as session:
        hidden = session.scalars(select(Head.hidden)).all()
        assert all(hidden)
    abandoned.discard_all(migrated)
    assert everything(migrated) == before
    assert create(migrated, towns(1, 5)).size == 5
    with migrated.snapshot() as session:
        assert session.scalars(select(Register.name)).all() == ["town"]


@pytest.mark.process
def test_a_load_under_way_is_never_taken_back_by_another_process(migrated: Database) -> None:
    create(migrated, towns(1, 10))
    cleaner = """
import sys
from servicekit.database import Database
from services.registers.storage import abandoned
print(abandoned.discard_all(Database(sys.argv[1])))
"""
    address = migrated.engine.url.render_as_string(hide_password=False)

    def commands() -> Iterator[object]:
        yield from towns(11, 500)
        done = subprocess.run(
            [sys.executable, "-c", cleaner, address],
            capture_output=True, text=True, check=True, cwd=ROOT,
        )  # fmt: skip
        assert done.stdout == "0\n"
        yield from towns(501, 900)

    assert load(migrated, commands()).size == 900  # type: ignore[arg-type]
    assert_whole(migrated)
