"""A process killed while it appends loses nothing it had answered and repeats nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servicekit import merkle
from services.registers.domain import objecthash
from services.registers.storage import heads, trees
from tests.registers.conftest import Caller, vessel

WRITER = """
import sys
from servicekit.database import Database
from services.registers import minting
from services.registers.storage import heads

database = Database(sys.argv[1])
with database.snapshot() as session:
    register = heads.find_register(session, "fishing-vessel")
for n in range(100_000):
    item = minting.check(register, {"fishing-vessel": f"T-{n}", "name": f"Boat {n}"})
    asked = minting.Asked("fishing-vessel", "test-client", f"key-{n}", item)
    with database.transaction() as session:
        told = minting.append_once(session, asked, 1_772_500_000)
    print(n, told.body, flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("after", [1, 7, 40])
def test_a_killed_writer_leaves_a_whole_log(registers: Caller, after: int) -> None:
    address = registers.database.engine.url.render_as_string(hide_password=False)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, address],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    told: dict[int, str] = {}
    with writer.stdout:
        for line in writer.stdout:
            n, _, body = line.partition(" ")
            told[int(n)] = body.rstrip("\n")
            if len(told) == after:
                os.kill(writer.pid, signal.SIGKILL)
                break
        for line in writer.stdout:  # answered before the signal arrived
            n, _, body = line.partition(" ")
            if line.endswith("\n"):
                told[int(n)] = body.rstrip("\n")
    assert writer.wait() == -signal.SIGKILL
    with registers.database.snapshot() as session:
        register = heads.find_register(session, "fishing-vessel")
        assert register is not None
        leaves = trees.leaf_hashes(session, register["id"], "v2", 1, register["size"])
    assert len(leaves) == register["size"]
    assert len(told) <= register["size"] - 12 <= len(told) + 1
    assert heads.root_hash(register) == objecthash.multihash(merkle.root(leaves))
    for number, body in told.items():
        assert registers.append(vessel(number), f"key-{number}").text == body
    in_flight = len(told)
    retried = registers.append(vessel(in_flight), f"key-{in_flight}").get_json()
    assert retried["entry"]["entry-number"] == 12 + in_flight + 1
    size = registers.json("/registers/fishing-vessel/proofs/register")["total-entries"]
    assert size == 12 + in_flight + 1
