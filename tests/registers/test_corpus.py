"""Real registers: every published file loads, proves every root it asserts, and is written again.

The files are those of ``../shared/data/openregister-rsf``; the tests are left out without them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servicekit import merkle, migrate
from servicekit.database import Database
from services.registers.domain import leaves, objecthash, rsf
from services.registers.domain.moments import write
from services.registers.domain.rsf import AddItem, AppendEntry, AssertRoot
from tests.registers.conftest import PACKAGE, VECTORS, Caller
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

FOLDER = VECTORS.parents[1] / "data" / "openregister-rsf"
FILES = sorted(FOLDER.glob("*.rsf"))
needs_files = pytest.mark.skipif(not FILES, reason="the published registers are absent")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The service without any register."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('corpus') / 'empty.db'}")
    migrate.upgrade(PACKAGE, database)
    yield Caller(database, FakeIssuer(), FakeClock())
    database.dispose()


def name_of(path: Path) -> str:
    """A name of its own for each file: several are of the same register."""
    return path.stem.replace("_", "-").lower()


def meant(path: Path) -> tuple[list[Any], str]:
    """What a file's commands mean: its commands, and how the reference would write the log."""
    with path.open("rb") as file:
        commands = list(rsf.parse(file))
    items = {c.item_hash: c.content for c in commands if isinstance(c, AddItem)}
    logs = {
        log: [c for c in commands if isinstance(c, AppendEntry) and c.log == log]
        for log in ("system", "user")
    }
    order = dict.fromkeys(c.item_hash for log in ("system", "user") for c in logs[log])
    first, last = merkle.EMPTY_ROOT, roots(commands)[0]
    lines = [
        rsf.assert_root(first),
        *(rsf.add_item(items[item_hash]) for item_hash in order),
        *(
            rsf.append_entry(c.log, c.key, c.at, c.item_hash)
            for log in ("system", "user")
            for c in logs[log]
        ),
        rsf.assert_root(last),
    ]
    return commands, "".join(lines)


def roots(commands: list[Any]) -> tuple[bytes, bytes]:
    """The roots of both trees, made from the commands alone."""
    blobs = {
        c.item_hash: objecthash.blob_hash(c.values) for c in commands if isinstance(c, AddItem)
    }
    user = [c for c in commands if isinstance(c, AppendEntry) and c.log == "user"]
    first = [
        merkle.leaf_hash(leaves.v1(number, c.key, c.at, c.item_hash))
        for number, c in enumerate(user, start=1)
    ]
    second = [
        merkle.leaf_hash(objecthash.entry_hash(number, c.key, write(c.at), blobs[c.item_hash]))
        for number, c in enumerate(user, start=1)
    ]
    return merkle.root(first), merkle.root(second)


@needs_files
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_published_register_loads_and_is_written_again(
    empty: Caller, vectors: Any, path: Path
) -> None:
    name, (commands, written) = name_of(path), meant(path)
    response = empty.load(path.read_bytes(), f"/registers/load?register={name}")
    assert response.status_code == 201, response.text
    told = response.get_json()
    root_v1, root_v2 = roots(commands)
    assert told["root-hash-v1"] == f"sha-256:{root_v1.hex()}"
    assert told["root-hash"] == f"1220{root_v2.hex()}"
    if isinstance(commands[-1], AssertRoot):
        assert commands[-1].root == root_v1
    known = {
        Path(one["local"]).name: one for one in vectors["rsf_corpus"]["files"] if "local" in one
    }
    if printed := known.get(path.name):
        assert told["total-entries"] == printed["user_entries"]
        assert told["system-entries"] == printed["system_entries"]
        assert told["root-hash-v1"] == printed["v1_root"]
        assert told["root-hash"] == printed["v2_root_derived"]
    export = empty.get(f"/registers/{name}/download-rsf")
    assert export.headers["Content-Type"] == "application/uk-gov-rsf"
    assert export.data.decode() == written
    again = empty.load(export.data, f"/registers/load?register={name}-again")
    assert again.status_code == 201, again.text
    assert empty.get(f"/registers/{name}-again/download-rsf").data == export.data


@needs_files
@pytest.mark.parametrize("name", ["jobcentre", "government-service", "register"])
def test_a_published_register_is_the_same_on_every_engine(stored: Caller, name: str) -> None:
    path = FOLDER / f"{name}.rsf"
    told = stored.load(path.read_bytes(), f"/registers/load?register=uk-{name}")
    assert told.status_code == 201, told.text
    assert stored.get(f"/registers/uk-{name}/download-rsf").data.decode() == meant(path)[1]
    size = told.get_json()["total-entries"]
    for version, root in (("v1/proof/register/merkle:sha-256", "root-hash-v1"),
                          ("proofs/register", "root-hash")):  # fmt: skip
        proof = stored.json(f"/registers/uk-{name}/{version}")
        assert (proof["total-entries"], proof["root-hash"]) == (size, told.get_json()[root])
    keys = stored.json(f"/registers/uk-{name}/records?limit=5000")
    assert [one["_id"] for one in keys] == sorted(one["_id"] for one in keys)
    again = stored.get(f"/registers/uk-{name}/records?page-index=2&page-size=3")
    assert again.get_json() == keys[3:6]
