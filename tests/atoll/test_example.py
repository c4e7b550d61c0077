"""The example's own mathematics against the register's: two implementations, one standard."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import merkle

FOLDER = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(FOLDER.glob("*.py"))


def load(name: str) -> ModuleType:
    """Import an example as it is when it runs: its folder is the first place to look in."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


example = load("vessel_licence")


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
def test_every_proof_leads_to_the_head_and_no_changed_one_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    head = merkle.root(leaves)
    path = ["1220" + each.hex() for each in merkle.inclusion_proof(leaves, index)]
    assert example.climb(leaves[index], index, len(leaves), path) == head
    assert example.climb(leaves[index], index, len(leaves), [*path, "1220" + "0" * 64]) != head
    assert example.climb(b"x" * 32, index, len(leaves), path) != head
    if path:
        assert example.climb(leaves[index], index, len(leaves), path[:-1]) != head


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_an_example_stays_short_and_knows_nothing_of_the_platforms_own_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
    for package in ("servicekit", "services", "gateway", "atoll"):
        assert f"import {package}" not in text
        assert f"from {package}" not in text


def test_no_secret_is_an_argument() -> None:
    text = (FOLDER / "platform_client.py").read_text(encoding="utf-8")
    assert "client_secret" in text
    with_secrets = [path for path in PROGRAMS if path.name != "verify_extract.py"]
    assert all("argv" not in path.read_text(encoding="utf-8") for path in with_secrets)
