"""A register is a transparency log: signed heads that never go back, tiles that lead to them."""

import base64
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from servicekit import merkle, note
from services.registers import start_state
from services.registers.domain import leaves, objecthash, tiles
from services.registers.storage import heads, trees
from services.registers.storage.tables import Edge, Entry, Head, Tile
from tests.registers.conftest import Caller, settings, vessel
from tests.registers.storage.loads import create, towns

EXAMPLE = Path(__file__).parents[2] / "examples" / "verify_extract.py"


def keys_of(caller: Caller, register: str) -> dict[str, note.Verifier]:
    trees_of = caller.json(f"/registers/{register}/log")["trees"]
    return {tree["version"]: note.Verifier.parse(tree["vkey"]) for tree in trees_of}


def opened(caller: Caller, register: str, version: str = "v2") -> note.Checkpoint:
    part = "/v1" if version == "v1" else ""
    text = caller.get(f"/registers/{register}{part}/checkpoint").text
    origin = f"localhost:8000/registers/{register}{part}"
    return note.open_checkpoint(text, origin, [keys_of(caller, register)[version]])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_checkpoint_is_the_signed_head_of_the_log(stored: Caller, version: str) -> None:
    head = opened(stored, "fishing-vessel", version)
    assert head.size == 12
    part = {"v1": "/v1/proof/register/merkle:sha-256", "v2": "/proofs/register"}[version]
    told = stored.json(f"/registers/fishing-vessel{part}")["root-hash"]
    assert head.root.hex() == told.removeprefix("1220").removeprefix("sha-256:")
    stored.append(vessel(1))
    assert opened(stored, "fishing-vessel", version).size == 13


def test_a_checkpoint_is_signed_once_for_each_size(stored: Caller) -> None:
    first = stored.get("/registers/island/checkpoint")
    assert first.content_type == "text/plain; charset=utf-8"
    again = stored.get("/registers/island/checkpoint")
    assert again.data == first.data
    assert len(stored.json("/registers/island/checkpoints")) == 1
    assert stored.json("/registers/island/v1/checkpoints") == []


def test_the_history_lists_every_head_that_was_given_out(stored: Caller) -> None:
    for number in range(5):
        stored.append(vessel(number), f"key-{number}")
        opened(stored, "fishing-vessel")
    listed = stored.json("/registers/fishing-vessel/checkpoints")
    assert [one["size"] for one in listed] == [13, 14, 15, 16, 17]
    for old, new in itertools.pairwise(listed):
        path = stored.json(
            f"/registers/fishing-vessel/proofs/consistency/{old['size']}/{new['size']}"
        )["audit-path"]
        digests = [objecthash.digest_of(one["root-hash"]) or b"" for one in (old, new)]
        hashes = [objecthash.digest_of(step) or b"" for step in path]
        assert merkle.verify_consistency(old["size"], new["size"], hashes, *digests)
    page = stored.get("/registers/fishing-vessel/checkpoints?after=13&limit=2")
    assert [one["size"] for one in page.get_json()] == [14, 15]
    assert "checkpoints?after=15&limit=2" in page.headers["Link"]


def cut(caller: Caller, size: int, peaks: list[bytes]) -> None:
    with caller.database.transaction() as session:
        register_id = head_of(caller)["id"]
        session.execute(
            update(Head)
            .where(Head.register_id == register_id)
            .values(size=size, peaks=b"".join(peaks))
        )


def head_of(caller: Caller, register: str = "fishing-vessel") -> Any:
    with caller.database.snapshot() as session:
        return heads.find_register(session, register)


def test_a_smaller_log_is_never_signed(stored: Caller) -> None:
    opened(stored, "fishing-vessel")
    with stored.database.snapshot() as session:
        hashes = trees.leaf_hashes(session, head_of(stored)["id"], "v2", 1, 11)
    peaks: list[bytes] = []
    for index, leaf in enumerate(hashes):
        peaks = merkle.push(peaks, index, leaf)
    cut(stored, 11, peaks)
    refused = stored.get("/registers/fishing-vessel/checkpoint")
    assert refused.status_code == 503
    assert refused.get_json()["type"].endswith("/register-damaged")
    assert "12 were signed before" in refused.get_json()["detail"]
    assert [one["size"] for one in stored.json("/registers/fishing-vessel/checkpoints")] == [12]


def test_a_log_with_another_past_is_never_signed(stored: Caller) -> None:
    opened(stored, "fishing-vessel")
    with stored.database.transaction() as session:
        register_id = head_of(stored)["id"]
        session.execute(
            update(Edge)
            .where(Edge.register_id == register_id, Edge.number == 3)
            .values(hash=bytes(32))
        )
    stored.append(vessel(1))
    refused = stored.get("/registers/fishing-vessel/checkpoint")
    assert refused.status_code == 503
    assert "first 12 entries are not those" in refused.get_json()["detail"]


def test_another_head_of_the_same_size_is_not_passed_off_as_signed(stored: Caller) -> None:
    opened(stored, "fishing-vessel")
    cut(stored, 12, [bytes(32), bytes(32)])
    assert stored.get("/registers/fishing-vessel/checkpoint").status_code == 503


def test_a_reset_begins_the_logs_again(stored: Caller) -> None:
    stored.append(vessel(1))
    opened(stored, "fishing-vessel")
    start_state.reset(settings(), stored.database)
    assert opened(stored, "fishing-vessel").size == 12


def test_without_a_key_nothing_is_signed_and_the_rest_works(registers: Caller) -> None:
    registers.app.config["ATOLL_SETTINGS"] = settings(log_key=None)  # type: ignore[arg-type]
    assert registers.get("/registers/island/checkpoint").status_code == 503
    assert registers.get("/registers/island/records/K-Thulusdhoo").status_code == 200


# -- tiles


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_tiles_lead_to_the_signed_head(stored: Caller, version: str) -> None:
    create(stored.database, towns(1, 700))
    part = "/v1" if version == "v1" else ""
    head = opened(stored, "town", version)

    def read(level: int, index: int, width: int) -> bytes:
        answer = stored.get(f"/registers/town{part}/tile/{merkle.tile_path(level, index, width)}")
        assert answer.status_code == 200, answer.text
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.content_type == "application/octet-stream"
        assert len(answer.data) == width * 32
        return answer.data

    assert merkle.root_at(700, merkle.tile_reader(read, 700)) == head.root
    assert merkle.root_at(300, merkle.tile_reader(read, 300)) != head.root
    level0 = b"".join(read(0, index, width) for index, width in ((0, 256), (1, 256), (2, 188)))
    hashes = [level0[at : at + 32] for at in range(0, len(level0), 32)]
    assert merkle.root(hashes) == head.root
    assert read(1, 0, 2) == merkle.root(hashes[:256]) + merkle.root(hashes[256:512])
    inputs = []
    for address in ("000", "001", "002.p/188"):
        data = stored.get(f"/registers/town{part}/tile/entries/{address}").data
        while data:
            length = int.from_bytes(data[:2], "big")
            inputs.append(data[2 : 2 + length])
            data = data[2 + length :]
    assert [merkle.leaf_hash(each) for each in inputs] == hashes
    if version == "v1":
        first = json.loads(inputs[0])
        assert first["entry-number"] == "1"
        again = leaves.v1(1, first["key"], 1_772_499_990, bytes.fromhex(first["item-hash"][0][8:]))
        assert again == inputs[0]


@pytest.mark.parametrize(
    "address",
    ["0/000", "0/000.p/13", "0/001", "1/000", "1/000.p/1", "63/000", "64/000", "8/000.p/1", "x",
     "0/x000/000.p/1", "0/000.p/0", "0/000.p/256", "0/000.p/257", "entries/000", "0/0", "0/-01",
     "0/x123/456/789", "0/" + "x999/" * 20 + "999", "0/000.p/12/", "0//000.p/12", "0/٠٠٠.p/1"],
)  # fmt: skip
def test_no_tile_outside_the_log(registers: Caller, address: str) -> None:
    answer = registers.get(f"/registers/fishing-vessel/tile/{address}")
    assert answer.status_code == 404, answer.text
    assert answer.content_type == "application/problem+json"


def test_the_tiles_of_seventy_thousand_entries_are_those_of_the_standard(vectors: Any) -> None:
    path = vectors["tlog_tiles"]["path_encoding"]
    for index, written in path.items():
        address = tiles.read_address(f"0/{written}")
        assert address == tiles.Address(0, int(index), 256)
    size = 70_000
    for level, full, width in ((0, 273, 112), (1, 1, 17), (2, 0, 1)):
        assert tiles.Address(level, full, width).is_within(size)
        assert not tiles.Address(level, full, width + 1).is_within(size)
        assert not tiles.Address(level, full + 1, 1).is_within(size)


def test_a_missing_row_is_told_and_not_papered_over(stored: Caller) -> None:
    create(stored.database, towns(1, 600))
    register_id = head_of(stored, "town")["id"]
    with stored.database.transaction() as session:
        session.execute(delete(Tile).where(Tile.register_id == register_id, Tile.level == 0))
        session.execute(delete(Entry).where(Entry.register_id == register_id, Entry.number == 17))
    answer = stored.get("/registers/town/tile/0/000")
    assert answer.status_code == 503
    assert "Tile 0 of level 0" in answer.get_json()["detail"]
    answer = stored.get("/registers/town/tile/entries/000")
    assert answer.status_code == 503
    assert "Entry 17" in answer.get_json()["detail"]


def test_full_tiles_are_frozen(stored: Caller) -> None:
    create(stored.database, towns(1, 600))
    register_id = head_of(stored, "town")["id"]

    def full() -> list[Any]:
        with stored.database.snapshot() as session:
            found = session.execute(
                select(Tile.tree, Tile.level, Tile.number, Tile.data).where(
                    Tile.register_id == register_id
                )
            )
            return [tuple(row) for row in found if len(row.data) == 256 * 32]

    before = full()
    assert len(before) == 4
    from tests.registers.storage.loads import load

    load(stored.database, towns(601, 900))
    assert set(before) <= set(full())


# -- extracts


def run_example(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments], capture_output=True, text=True, check=False
    )


def test_anyone_verifies_an_extract_offline(stored: Caller, tmp_path: Path) -> None:
    answer = stored.get("/registers/island/records/K-Thulusdhoo/extract")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["Content-Disposition"]
    file = tmp_path / "extract.json"
    file.write_bytes(answer.data)
    key = str(keys_of(stored, "island")["v2"])
    done = run_example(str(file), key)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("GENUINE")
    assert "Thulusdhoo" in done.stdout
    alone = run_example(str(file))
    assert alone.returncode == 0
    assert "pass VKEY" in alone.stdout
    other = note.Signer.generate("localhost:8000/registers/island").verifier
    assert run_example(str(file), str(other)).returncode == 1


def _set(document: Any, *path: Any, value: Any) -> None:
    for part in path[:-1]:
        document = document[part]
    document[path[-1]] = value


TAMPERED = {
    "a value": (("item", "name"), "Somewhere else"),
    "the key": (("entry", "key"), "K-Male"),
    "the time": (("entry", "entry-timestamp"), "2026-03-01T05:00:01Z"),
    "the number": (("entry", "entry-number"), 7),
    "the size": (("size",), 190),
    "the register": (("register",), "atoll"),
    "a step": (("inclusion-proof", 0), base64.b64encode(bytes(32)).decode()),
    "no proof": (("inclusion-proof",), []),
    "no item": (("item",), {}),
    "no checkpoint": (("checkpoint",), ""),
    "not an object": (("entry",), None),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_extract_is_refused(untouched: Caller, what: str) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("verify_extract", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    document = untouched.json("/registers/island/records/K-Thulusdhoo/extract")
    key = document["vkey"]
    assert example.check(document, key)
    _set(document, *TAMPERED[what][0], value=TAMPERED[what][1])
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        example.check(document, key)


def test_a_tampered_checkpoint_is_refused(untouched: Caller, tmp_path: Path) -> None:
    document = untouched.json("/registers/island/records/K-Thulusdhoo/extract")
    document["checkpoint"] = document["checkpoint"].replace("\n189\n", "\n190\n")
    document["size"] = 190
    file = tmp_path / "extract.json"
    file.write_text(json.dumps(document))
    done = run_example(str(file), document["vkey"])
    assert (done.returncode, done.stderr) == (1, "REFUSED: the signature is wrong\n")


def test_the_example_shares_nothing_with_the_service_and_is_short() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    lines = [line for line in text.splitlines() if line.startswith(("import ", "from "))]
    imports = {line.split()[1].partition(".")[0] for line in lines}
    assert imports - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_paper_has_the_whole_extract_in_its_code(untouched: Caller) -> None:
    page = untouched.get("/registers/island/records/K-Thulusdhoo/extract", {"Accept": "text/html"})
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("sandbox;")
    assert "<svg" in page.text
    assert "The code holds this whole extract" in page.text
    assert "<script" not in page.text


def test_no_extract_of_a_record_that_is_not_there(untouched: Caller) -> None:
    for path in ("island/records/K-Nowhere/extract", "nothing/records/x/extract"):
        assert untouched.get(f"/registers/{path}").status_code == 404
